"""`python -m rnn_core.kernels` builds the library, or says why there is none: no failure."""

from __future__ import annotations

import sys

from rnn_core.kernels.build import BuildError, build


def main() -> None:
    """Builds, and says where the library is or why there is none."""
    try:
        print(f"Native operations: {build()}")
    except BuildError as error:
        print(f"No native operations, training is slower: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
