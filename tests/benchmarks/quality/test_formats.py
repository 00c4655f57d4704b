"""Each format of the data sets, as a tiny file: what becomes of its cases."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from benchmarks.quality.formats import (
    content_is_for_test,
    digit_rows,
    gene_rows,
    id_is_for_test,
    subject_is_for_test,
    surname_rows,
    ts_rows,
    ucr_rows,
    watch_rows,
)


def _saved(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_a_ts_file_of_one_feature_has_cases_of_any_length() -> None:
    content = b"# head\n@problemName X\n@classLabel true a b\n@data\n1,2.5,-3:a\n\n4:b\n"
    assert list(ts_rows(content, "value", "train")) == [
        {"id": "train-0001", "label": "a", "context": {}, "sequence": {"value": [1.0, 2.5, -3.0]}},
        {"id": "train-0002", "label": "b", "context": {}, "sequence": {"value": [4.0]}},
    ]


def test_a_ts_file_of_several_features_is_turned_into_steps() -> None:
    (row,) = ts_rows(b"@data\n1,2,3:4,5,6:9", "value", "test")
    assert row["sequence"] == {"value": [[1, 4], [2, 5], [3, 6]]}
    assert row["label"] == "9"


def test_a_ts_file_whose_features_differ_in_length_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        list(ts_rows(b"@data\n1,2,3:4,5:9", "value", "test"))


def test_a_ts_header_may_be_in_any_encoding() -> None:
    (row,) = ts_rows(b"# Sch\xe4fer\n@data\n1:2\n", "value", "test")
    assert row["label"] == "2"


def test_a_file_that_is_no_ts_file_is_refused() -> None:
    with pytest.raises(ValueError, match="'@data'"):
        list(ts_rows(b"1,2:3", "value", "test"))


def test_the_padding_of_a_ucr_case_is_no_part_of_it() -> None:
    rows = list(ucr_rows(b"3\t0.5\t1\tNaN\tNaN\n-1\t0\t1\t2\t\n", "value", "train"))
    assert [row["sequence"]["value"] for row in rows] == [[0.5, 1.0], [0.0, 1.0, 2.0]]
    assert [row["label"] for row in rows] == ["3", "-1"]


def test_a_gap_within_a_ucr_case_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2"):
        list(ucr_rows(b"3\t0.5\n3\t0.5\tNaN\t1\n", "value", "train"))


def test_digits_are_cut_at_their_lengths_and_keep_their_numbers() -> None:
    values = np.array([[0.1, 1.0], [2.0, 3.0], [4.0, 5.0]], np.float32)
    rows = list(digit_rows(_saved(X=values, y=np.array([7, 0]), lengths=np.array([2, 1]))))
    assert [row["sequence"]["mfcc"] for row in rows] == [[[0.1, 1.0], [2.0, 3.0]], [[4.0, 5.0]]]
    assert [row["label"] for row in rows] == ["7", "0"]


def test_genes_are_letters_and_the_name_of_a_family() -> None:
    letters = np.array([["A"], ["T"], ["G"]])
    rows = list(gene_rows(_saved(X=letters, y=np.array([6, 1]), lengths=np.array([2, 1]))))
    assert [row["sequence"]["bases"] for row in rows] == [["A", "T"], ["G"]]
    assert [row["label"] for row in rows] == ["Transcription", "Tyrosine kinase"]


def test_exercises_tell_the_side_and_are_split_by_subject() -> None:
    file = io.BytesIO()
    sequences = np.empty(2, dtype=object)
    sequences[:] = [np.arange(12.0).reshape(2, 6), np.ones((1, 6))]
    data = {"X": sequences, "y": np.array([1, 0]), "y_labels": ["PEN", "ABD"]}
    data |= {"subject": np.array([7, 10]), "side": np.array([1.0, 0.0])}
    np.save(file, np.array(data, dtype=object), allow_pickle=True)
    rows = list(watch_rows(file.getvalue()))
    assert rows[0] == {
        "id": "subject-07-001",
        "label": "ABD",
        "context": {"side": "right"},
        "sequence": {
            "acceleration": [[0.0, 1.0, 2.0], [6.0, 7.0, 8.0]],
            "rotation": [[3.0, 4.0, 5.0], [9.0, 10.0, 11.0]],
        },
    }
    assert rows[1]["context"] == {"side": "left"}
    assert [subject_is_for_test(row) for row in rows] == [False, True]


def test_a_surname_is_its_small_letters() -> None:
    (row,) = surname_rows("name,country\nÖberg,Sweden\n".encode())
    assert row == {
        "id": "Öberg",
        "label": "Sweden",
        "context": {},
        "sequence": {"letters": ["ö", "b", "e", "r", "g"]},
    }


def test_about_a_fifth_of_the_rows_is_for_the_test() -> None:
    rows = [{"id": f"row-{number}", "sequence": {"x": [number]}} for number in range(1000)]
    assert 150 < sum(map(id_is_for_test, rows)) < 250
    assert 150 < sum(map(content_is_for_test, rows)) < 250


def test_equal_sequences_are_on_the_same_side() -> None:
    one, other = ({"id": key, "sequence": {"x": ["A", "T"]}} for key in ("gene-1", "gene-2"))
    assert content_is_for_test(one) == content_is_for_test(other)
