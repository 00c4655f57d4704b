"""The Open Inference Protocol: tensors become rows, and answers tensors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from components.data.row_parsing import Row, RowFormat, parse_row
from components.export.row_scoring import RowScores
from components.serving.inference_protocol import (
    ProtocolError,
    example_request,
    metadata_of_inputs,
    metadata_of_outputs,
    outputs_of_request,
    rows_of_request,
    tensors_of_answers,
)
from components.serving.limits import Limits, RequestTooLargeError
from components.serving.served_model import example_row
from tests.components.conftest import MIXED

FORM = RowFormat.of(MIXED, 100, needs_key=False)
LIMITS = Limits(max_request_rows=5)


def request(**changes: Any) -> dict[str, Any]:
    """Two rows, of two steps and of one, padded to two."""
    tensors: dict[str, tuple[str, list[int], Any]] = {
        "motion": ("FP32", [2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0]),
        "pulse": ("FP64", [2, 2], [[60, 61], [62, 0]]),
        "word-1.a": ("BYTES", [2, 2], ["a", "b", "c", ""]),
        "event": ("INT32", [2, 2], [1, 2, 3, 0]),
        "size": ("FP32", [2, 2], [[1, 2], [3, 4]]),
        "age": ("UINT8", [2], [5, 6]),
        "colour": ("BYTES", [2], ["red", "blå"]),
        "Läden": ("INT64", [2, 1], [[0], [8]]),
        "lengths": ("INT64", [2], [2, 1]),
    }
    tensors |= changes
    inputs = [
        {"name": name, "datatype": each[0], "shape": each[1], "data": each[2]}
        for name, each in tensors.items()
        if each is not None
    ]
    return {"inputs": inputs}


def test_tensors_are_rows_without_their_padding() -> None:
    first, second = rows_of_request(request(), FORM, LIMITS)
    assert first == {
        "sequence": {
            "motion": [[1, 2, 3], [4, 5, 6]],
            "pulse": [60, 61],
            "word-1.a": ["a", "b"],
            "event": [1, 2],
        },
        "context": {"size": [1, 2], "age": 5, "colour": "red", "Läden": 0},
    }
    assert second["sequence"]["motion"] == [[7, 8, 9]]
    assert second["sequence"]["pulse"] == [62]
    assert all(isinstance(parse_row(row, FORM), Row) for row in (first, second))


def test_without_lengths_each_row_has_all_steps() -> None:
    rows = rows_of_request(request(lengths=None), FORM, LIMITS)
    assert [len(row["sequence"]["pulse"]) for row in rows] == [2, 2]


def test_the_example_is_a_valid_request_of_one_row() -> None:
    example = json.loads(json.dumps(example_request(example_row(FORM), FORM)))
    (row,) = rows_of_request(example, FORM, LIMITS)
    assert isinstance(parse_row(row, FORM), Row)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pulse": None}, "expected an input 'pulse'"),
        ({"age": None}, "expected an input 'age'"),
        ({"other": ("FP32", [2], [1, 2])}, "the model takes no input 'other'; it takes motion"),
        ({"pulse": ("BYTES", [2, 2], ["a"] * 4)}, "'pulse': expected the datatype .*, got 'BYTES'"),
        ({"event": ("FP32", [2, 2], [1] * 4)}, "'event': expected the datatype INT16"),
        ({"pulse": ("FP32", [4], [1] * 4)}, r"'pulse': expected the shape \[B, T\], got \[4\]"),
        ({"motion": ("FP32", [2, 3, 2], [1] * 12)}, r"expected the shape \[B, T, 3\]"),
        ({"pulse": ("FP32", [2, 2], [1] * 3)}, r"\[2, 2\] has 4 values, and data has 3"),
        ({"pulse": ("FP32", [2, 2], 3)}, '"data" to be a list, got a whole number'),
        ({"pulse": ("FP32", [2, 2], [[1, 2], 3])}, "nested to one depth"),
        ({"pulse": ("FP32", [2, -2], [])}, "whole numbers from 0 on"),
        ({"pulse": ("FP32", [3, 2], [1] * 6)}, "different numbers of rows"),
        ({"lengths": ("INT64", [2], [1])}, "'lengths': expected a whole number for each of the 2"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(changes: Any, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        rows_of_request(request(**changes), FORM, LIMITS)


@pytest.mark.parametrize(
    "value", [3, [], {}, {"inputs": 3}, {"inputs": [3]}, {"inputs": [{"name": "pulse"}]}]
)
def test_what_is_no_inference_request_is_refused(value: Any) -> None:
    with pytest.raises(ProtocolError, match="expected"):
        rows_of_request(value, FORM, LIMITS)


def test_a_tensor_without_data_or_named_twice_is_refused() -> None:
    tensor = {"name": "pulse", "datatype": "FP32", "shape": [1, 1]}
    with pytest.raises(ProtocolError, match="binary form behind the JSON"):
        rows_of_request({"inputs": [tensor]}, FORM, LIMITS)
    twice = [{**tensor, "data": [1]}] * 2
    with pytest.raises(ProtocolError, match="each input once"):
        rows_of_request({"inputs": twice}, FORM, LIMITS)


def test_a_shape_of_many_rows_costs_nothing_before_it_is_refused() -> None:
    with pytest.raises(RequestTooLargeError, match="1,000,000,000,000 rows, and 5 may"):
        rows_of_request(request(pulse=("FP32", [10**12, 0], [])), FORM, LIMITS)


def test_rows_without_steps_are_rows_and_not_errors() -> None:
    sequences: dict[str, Any] = {
        "motion": ("FP32", [2, 0, 3], []),
        "pulse": ("FP32", [2, 0], []),
        "word-1.a": ("BYTES", [2, 0], []),
        "event": ("INT64", [2, 0], []),
    }
    rows = rows_of_request(request(**sequences), FORM, LIMITS)
    assert [row["sequence"]["pulse"] for row in rows] == [[], []]


SCORES = [
    RowScores(np.array([0.25, 0.75], np.float32), 1),
    RowScores(np.array([0.5, 0.5], np.float32), 0),
    RowScores(np.array([0.75, 0.25], np.float32), 1),
]


def test_the_answers_are_tensors_in_the_order_of_the_rows() -> None:
    label, confidence, probabilities = tensors_of_answers(SCORES, ["no", "yes"], False, None)
    assert label == {
        "name": "label",
        "datatype": "BYTES",
        "shape": [3],
        "data": ["yes", "no", "yes"],
    }
    # The last one is answered by a threshold: its confidence is that of the answer.
    assert confidence["data"] == [0.75, 0.5, 0.25]
    assert probabilities["shape"] == [3, 2]
    assert probabilities["data"] == [0.25, 0.75, 0.5, 0.5, 0.75, 0.25]
    assert probabilities["parameters"] == {"labels": ["no", "yes"]}


def test_answers_of_steps_are_filled_up_to_the_longest_row() -> None:
    scores = [
        RowScores(np.array([[0.25, 0.75], [1.0, 0.0]], np.float32), np.array([1, 0])),
        RowScores(np.array([[1, 0]], np.float32), np.array([0])),
    ]
    found = tensors_of_answers(scores, ["no", "yes"], True, None)
    label, confidence, probabilities, lengths = found
    assert (label["shape"], label["data"]) == ([2, 2], ["yes", "no", "no", ""])
    assert confidence["data"] == [0.75, 1, 1, 0]
    assert probabilities["shape"] == [2, 2, 2]
    assert probabilities["data"][-2:] == [0, 0]
    assert lengths["data"] == [2, 1]
    for one, described in zip(found, metadata_of_outputs(["no", "yes"], True), strict=True):
        assert (one["name"], one["datatype"]) == (described["name"], described["datatype"])
        assert len(one["shape"]) == len(described["shape"])


def test_only_the_outputs_that_are_asked_for_are_given() -> None:
    asked = outputs_of_request({"outputs": [{"name": "label"}]})
    assert [each["name"] for each in tensors_of_answers(SCORES, ["a", "b"], False, asked)] == [
        "label"
    ]
    assert outputs_of_request({}) is None
    with pytest.raises(ProtocolError, match="gives no output 'x'; it gives"):
        tensors_of_answers(SCORES, ["a", "b"], False, ["x"])
    with pytest.raises(ProtocolError, match='"outputs" to be a list'):
        outputs_of_request({"outputs": "label"})


def test_the_metadata_names_what_a_request_must_hold() -> None:
    described = {each["name"]: each for each in metadata_of_inputs(FORM)}
    assert set(described) == {each["name"] for each in request()["inputs"]}
    assert described["motion"] == {"name": "motion", "datatype": "FP32", "shape": [-1, -1, 3]}
    assert described["colour"] == {"name": "colour", "datatype": "BYTES", "shape": [-1]}
