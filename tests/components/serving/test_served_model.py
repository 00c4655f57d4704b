"""One version that answers, with a toy model of every kind of feature."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from components.data.row_parsing import Row, parse_row
from components.data.sources.source import Record
from components.errors import BrokenModelError
from components.export.batch_prediction import Predictor
from components.serving.faults import InvalidRequestError, parse_rows
from components.serving.limits import Batching, Limits
from components.serving.served_model import ServedModel
from tests.components.toy_export import Counting, ToyExport, json_row, save_toy

pytest_plugins = ["tests.components.mlflow_fixtures"]
pytestmark = pytest.mark.slow


def served(saved_model: Path, **limits: int) -> ServedModel:
    return ServedModel("toy", 3, saved_model, Limits(**limits), Batching())


def test_the_answers_are_those_of_predict(toy: ToyExport) -> None:
    model = served(toy.saved_model)
    values = [json_row(steps) for steps in (4, 90, 1, 30)]
    found = asyncio.run(model.score(parse_rows(values, model.form)))
    model.retire()
    records = [Record(index, b"", value) for index, value in enumerate(values)]
    for scores, answer in zip(found, Predictor(toy.saved_model).predict(records), strict=True):
        # Rows of another batch are padded otherwise.
        np.testing.assert_allclose(
            scores.probabilities, list(answer.probabilities.values()), atol=1e-6
        )
        assert model.labels[scores.class_ids] == answer.label


def test_its_example_is_a_row_that_it_takes(toy: ToyExport) -> None:
    model = served(toy.saved_model)
    assert isinstance(parse_row(model.example, model.form), Row)
    model.retire()


def test_a_server_may_allow_fewer_steps_than_the_model_but_no_more(toy: ToyExport) -> None:
    for allowed, expected in ((5, 5), (1000, 100)):
        model = served(toy.saved_model, max_row_steps=allowed)
        parse_rows([json_row(expected)], model.form)
        with pytest.raises(InvalidRequestError):
            parse_rows([json_row(expected + 1)], model.form)
        model.retire()


def test_a_model_of_steps_answers_each_step(tmp_path: Path) -> None:
    save_toy(tmp_path, Counting(), "per_step")
    model = served(tmp_path / "saved_model")
    assert model.answers_steps
    rows = parse_rows([json_row(5) | {"label": None}, json_row(2) | {"label": None}], model.form)
    first, second = asyncio.run(model.score(rows))
    model.retire()
    assert [each.shape for each in (*first, *second)] == [(5, 3), (5,), (2, 3), (2,)]
    np.testing.assert_allclose(first.probabilities[:2], second.probabilities, atol=1e-6)
    np.testing.assert_array_equal(first.class_ids, first.probabilities.argmax(axis=1))


def test_a_file_that_is_no_model_is_told_in_one_sentence(toy: ToyExport, tmp_path: Path) -> None:
    extra = tmp_path / "assets.extra"
    extra.mkdir()
    (extra / "schema.json").write_bytes(
        (toy.saved_model / "assets.extra" / "schema.json").read_bytes()
    )
    (tmp_path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(BrokenModelError, match="cannot be loaded"):
        served(tmp_path)


def test_a_retired_model_answers_who_has_it_and_takes_nobody_else(toy: ToyExport) -> None:
    before = set(threading.enumerate())
    model = served(toy.saved_model)
    threads = set(threading.enumerate()) - before
    assert model.acquire()
    model.retire()
    assert not model.acquire()
    assert len(asyncio.run(model.score(parse_rows([json_row(2)], model.form)))) == 1
    assert all(thread.is_alive() for thread in threads)
    model.release()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
