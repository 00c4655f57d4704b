"""Preprocesses a file in one of the ways, in a process of its own."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.processes.windows import Windows
from components.runtime.libraries import load_tensorflow


def main(settings: dict[str, Any]) -> None:
    """``way``, and ``path``: the file of rows."""
    windows = Windows()
    load_tensorflow()
    # Imported before the first window: none of them measures an import.
    from benchmarks.preprocessing import beam_dicts, plain, product

    way = {"plain": plain.run, "beam": beam_dicts.run, "rnnflow": product.run}[settings["way"]]
    while windows.end_window():
        with tempfile.TemporaryDirectory(prefix="rnn-bench-") as directory:
            way(Path(settings["path"]), Path(directory))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
