"""Rows are scored in their order, whatever batches they are cut into."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from components.data import row_parsing
from components.data.row_parsing import Row, parse_row
from components.export import row_scoring
from components.export.row_scoring import RowScorer, RowScores, answer_row
from tests.components.toy_export import FORM, LABELS, LENGTHS, ToyExport, json_row

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture(scope="module")
def scorer(toy: ToyExport) -> RowScorer:
    return RowScorer(toy.saved_model)


def _rows(lengths: tuple[int, ...]) -> list[Row]:
    parsed = [parse_row(json_row(steps), FORM) for steps in lengths]
    return [row for row in parsed if isinstance(row, Row)]


@pytest.mark.parametrize(("rows", "steps"), [(256, 50_000), (2, 50_000), (256, 4), (1, 1)])
def test_the_size_of_a_batch_changes_no_answer(
    scorer: RowScorer, toy: ToyExport, monkeypatch: pytest.MonkeyPatch, rows: int, steps: int
) -> None:
    monkeypatch.setattr(row_scoring, "BATCH_ROWS", rows)
    monkeypatch.setattr(row_scoring, "BATCH_STEPS", steps)
    assert scorer.labels == LABELS
    probabilities, ids = zip(*scorer.score(_rows(LENGTHS)), strict=True)
    np.testing.assert_allclose(probabilities, toy.probabilities, atol=1e-6)
    np.testing.assert_array_equal(ids, toy.probabilities.argmax(axis=1))


def test_no_rows_have_no_scores(scorer: RowScorer) -> None:
    assert scorer.score([]) == []


def test_a_batch_ends_at_so_many_rows_or_padded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_scoring, "BATCH_ROWS", 3)
    monkeypatch.setattr(row_scoring, "BATCH_STEPS", 10)
    found = list(row_scoring._batches([9, 1, 5, 1, 1, 1, 5, 99]))
    assert found == [[1, 3, 4], [5, 2], [6], [0], [7]]


@pytest.mark.parametrize("module", [row_scoring, row_parsing])
def test_a_module_that_is_served_imports_nothing_of_this_project(module: object) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]
    # What stands in `if TYPE_CHECKING` is not in the body itself.
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert not {name for name in names if name.startswith(("components", "rnn_core", "pipelines"))}


def test_an_answer_names_the_models_label_and_lists_as_many_as_were_asked_for() -> None:
    scores = RowScores(np.array([0.25, 0.5, 0.25], np.float32), 1)
    every = answer_row(scores, ("a", "b", "c"))
    assert every == ("b", 0.5, {"a": 0.25, "b": 0.5, "c": 0.25})
    assert list(answer_row(scores, ("a", "b", "c"), top_k=2).probabilities) == ["b", "a"]


def test_of_a_row_whose_steps_have_answers_each_is_a_list() -> None:
    scores = RowScores(np.array([[0.75, 0.25], [0.5, 0.5]], np.float32), np.array([0, 0]))
    found = answer_row(scores, ("a", "b"), top_k=1)
    assert found == (["a", "a"], [0.75, 0.5], [{"a": 0.75}, {"a": 0.5}])


def test_the_answer_need_not_be_the_most_probable_label() -> None:
    scores = RowScores(np.array([0.75, 0.25], np.float32), 1)
    assert answer_row(scores, ("no", "yes"), top_k=1) == ("yes", 0.25, {"no": 0.75})
