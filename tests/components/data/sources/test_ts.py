"""The ``.ts`` files of the time series archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.data.row_parsing import InvalidRow
from components.data.sources.formats import source_of
from components.data.sources.source import Record
from components.errors import DataError

HEADER = """\
#A comment
@problemName Gestures
@timestamps false
@missing true
@univariate false
@classLabel true left right
@data
"""


def read(folder: Path, text: str) -> list[Record]:
    path = folder / "Gestures_TRAIN.ts"
    path.write_text(text)
    return [record for chunk in source_of(str(path)).chunks() for record in chunk.records()]


def test_the_dimensions_of_a_line_are_one_sequence_of_vectors(tmp_path: Path) -> None:
    first, second = read(tmp_path, HEADER + "1.5,2,3:0,1,?:left\n\n4:5:right\n")
    assert first.values == {
        "id": "Gestures_TRAIN-8",
        "label": "left",
        "context": {},
        "sequence": {"values": [[1.5, 0.0], [2.0, 1.0], [3.0, None]]},
    }
    assert (second.number, second.values["label"]) == (10, "right")


def test_one_dimension_is_a_sequence_of_numbers(tmp_path: Path) -> None:
    (row,) = read(tmp_path, HEADER + "1,NaN,2:left\n")
    assert row.values["sequence"] == {"values": [1.0, None, 2.0]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2:3:left", "the dimensions have different lengths: 2, 1"),
        ("1,x:left", "something that is not a number: 'x'"),
        ("left", "the dimensions have different lengths: none"),
    ],
)
def test_a_fault_is_of_its_line_alone(tmp_path: Path, line: str, reason: str) -> None:
    bad, good = read(tmp_path, f"{HEADER}{line}\n1:left\n")
    assert isinstance(bad.values, InvalidRow)
    assert bad.values.reason == reason
    assert bad.excerpt == line
    assert good.values["label"] == "left"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2:left\n", "the line @data is missing"),
        (HEADER.replace("@data\n", ""), "the line @data is missing"),
        (HEADER.replace("timestamps false", "timestamps true"), "@timestamps true, which is not"),
        (HEADER.replace("classLabel true", "classLabel false"), "no @classLabel true"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read(tmp_path, text)
