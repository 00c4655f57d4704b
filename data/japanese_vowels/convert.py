"""Makes train.jsonl and test.jsonl from the .ts files of the UEA archive's JapaneseVowels.

    python data/japanese_vowels/convert.py JapaneseVowels_TRAIN.ts JapaneseVowels_TEST.ts

A case of a .ts file is one line: the 12 coefficients one after the other, each with its T values
parted by commas, then the class; colons part them. A row of JSONL holds T steps of 12 numbers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path


def cases(path: Path) -> Iterator[tuple[list[list[float]], str]]:
    """The cases of a .ts file: T steps of F numbers, and the class."""
    _, data = path.read_text().split("@data\n")
    for line in data.splitlines():
        *dimensions, label = line.strip().split(":")
        series = [[float(value) for value in dimension.split(",")] for dimension in dimensions]
        yield [list(step) for step in zip(*series, strict=True)], label


def convert(source: Path, target: Path, name: str) -> None:
    """Writes the cases of ``source`` as JSONL rows with the ids ``<name>-0001`` and so on."""
    with target.open("w") as file:
        for number, (steps, label) in enumerate(cases(source), start=1):
            row = {
                "id": f"{name}-{number:04}",
                "label": label,
                "context": {},
                "sequence": {"coefficients": steps},
            }
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    here = Path(__file__).parent
    convert(Path(sys.argv[1]), here / "train.jsonl", "train")
    convert(Path(sys.argv[2]), here / "test.jsonl", "test")
