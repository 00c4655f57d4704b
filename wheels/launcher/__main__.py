"""The command ``rnnflow`` of the installed wheel.

The application's packages, ``components`` and ``pipelines``, lie in this folder and not beside it:
site-packages gets no packages of such common names. They are importable in the processes of
``rnnflow``, and in no other.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)


def main() -> None:
    """Puts the application's packages first, here and in child processes, and runs the command."""
    sys.path.insert(0, HERE)
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{HERE}{os.pathsep}{others}" if others else HERE
    # Children that start with -m would otherwise find the working directory's packages first.
    os.environ["PYTHONSAFEPATH"] = "1"

    # Here, because it is found only now.
    from pipelines.cli import main as run_command

    run_command()


if __name__ == "__main__":
    main()
