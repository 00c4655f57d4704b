from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.export.saved_model import argument_name, score_raw_tensors, score_saved_model
from tests.components.toy_export import LABELS, ToyExport

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_the_size_of_a_batch_changes_no_answer(toy: ToyExport, batch_size: int) -> None:
    labels, probabilities, ids = score_saved_model(toy.saved_model, iter(toy.records), batch_size)
    assert labels == LABELS
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities, toy.probabilities, atol=1e-6)
    np.testing.assert_array_equal(ids, toy.probabilities.argmax(axis=1))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_raw_tensors_are_answered_as_examples_are(toy: ToyExport, batch_size: int) -> None:
    labels, probabilities, ids = score_raw_tensors(toy.saved_model, toy.records, batch_size)
    assert labels == LABELS
    np.testing.assert_allclose(probabilities, toy.probabilities, atol=1e-6)
    np.testing.assert_array_equal(ids, toy.probabilities.argmax(axis=1))


def test_no_rows_give_no_answers_and_all_labels(toy: ToyExport) -> None:
    labels, probabilities, ids = score_saved_model(toy.saved_model, [], batch_size=4)
    assert labels == LABELS
    assert (probabilities.shape, ids.shape) == ((0, len(LABELS)), (0,))


@pytest.mark.parametrize(
    ("feature", "argument"),
    [("plain", "plain"), ("word-1.a", "word_1_a"), ("1st", "arg_1st"), ("_x", "arg__x")],
)
def test_a_feature_gets_a_name_that_tensorflow_takes(feature: str, argument: str) -> None:
    assert argument_name(feature) == argument


@pytest.mark.slow
def test_scoring_needs_nothing_of_this_project_but_itself() -> None:
    code = (
        "import sys, components.export.saved_model\n"
        "ours = ('components', 'pipelines', 'rnn_core')\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ours))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    needed = ["components", "components.errors", "components.export"]
    assert done.stdout.strip() == str([*needed, "components.export.saved_model"])
