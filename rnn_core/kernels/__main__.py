"""`python -m rnn_core.kernels` builds the library, or prints why not and still exits with 0."""

from __future__ import annotations

import sys

from rnn_core.kernels.build import BuildError, build


def main() -> None:
    """Builds the library, and prints its path or why there is none."""
    try:
        print(f"Native operations: {build()}")
    except BuildError as error:
        print(f"No native operations, training is slower: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
