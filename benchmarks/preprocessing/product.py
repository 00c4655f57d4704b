"""The stages ``rows`` and ``examples`` of a run."""

from __future__ import annotations

from pathlib import Path

from benchmarks.preprocessing.rows import FEATURES, PREPROCESSING, data_config
from components.data.examples import write_examples
from components.data.rows import find_rows


def run(path: Path, directory: Path) -> None:
    """Writes the artifact of the examples."""
    data = data_config(path)
    write_examples(find_rows(data), data, FEATURES, PREPROCESSING, directory / "examples")
