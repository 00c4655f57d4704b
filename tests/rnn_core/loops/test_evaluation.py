"""Evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core.storage.summaries import read_events
from tests.rnn_core.samples import WORDS, Data, make_estimator


@pytest.fixture(scope="module")
def evaluated(trained: rnn_core.RNNClassifier, words_input: Any) -> dict[str, float]:
    return trained.evaluate(words_input, name="words")


def test_an_evaluation_has_the_metrics_of_2_15(evaluated: dict[str, float]) -> None:
    assert list(evaluated) == ["accuracy", "average_loss", "loss", "global_step"]
    assert evaluated["global_step"] == 10


def test_an_evaluation_is_that_of_the_predictions(
    evaluated: dict[str, float], trained: rnn_core.RNNClassifier, words_input: Any, data: Data
) -> None:
    predicted = list(trained.predict(words_input))
    probabilities = np.array([row["probabilities"] for row in predicted])
    chosen = probabilities[np.arange(len(data.labels)), data.labels]
    assert evaluated["average_loss"] == pytest.approx(-np.log(chosen).mean(), rel=1e-5)
    classes = np.array([row["classes"][0].decode() for row in predicted])
    assert evaluated["accuracy"] == np.mean(classes == np.array(WORDS)[data.labels])


def test_an_evaluation_is_written_for_tensorboard(
    evaluated: dict[str, float], trained: rnn_core.RNNClassifier
) -> None:
    assert trained.eval_dir("words") == str(Path(trained.model_dir) / "eval_words")
    written = read_events(trained.eval_dir("words"))[10]
    assert written == pytest.approx({k: evaluated[k] for k in written}, rel=1e-6)


def test_an_evaluation_names_its_checkpoint_for_tensorboard(
    evaluated: dict[str, float], trained: rnn_core.RNNClassifier
) -> None:
    texts = [
        tf.make_ndarray(value.tensor).item().decode()
        for path in Path(trained.eval_dir("words")).iterdir()
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        for value in tf.compat.v1.Event.FromString(record).summary.value
        if value.tag == "checkpoint_path"
    ]
    assert texts == [trained.latest_checkpoint()]


def test_the_batches_do_not_change_an_evaluation(
    evaluated: dict[str, float], trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    other = trained.evaluate(lambda: words_input().unbatch().shuffle(24, seed=2).batch(5))
    for name in ("accuracy", "average_loss"):
        assert other[name] == pytest.approx(evaluated[name], rel=1e-5)


def test_steps_end_an_evaluation(trained: rnn_core.RNNClassifier, words_input: Any) -> None:
    part = trained.evaluate(lambda: words_input().repeat(), steps=2)
    whole = trained.evaluate(lambda: words_input().take(2))
    assert part == whole


@pytest.mark.slow
def test_an_evaluation_before_any_checkpoint_works(data: Data, tmp_path: Path) -> None:
    assert make_estimator(tmp_path).evaluate(data.eval_input)["global_step"] == 0


def test_an_empty_evaluation_and_wrong_labels_are_named(
    trained: rnn_core.RNNClassifier, words_input: Any, data: Data
) -> None:
    with pytest.raises(rnn_core.EmptyInputError, match="to evaluate"):
        trained.evaluate(lambda: words_input().take(0))
    strange = np.array(["strange"] * len(data.labels))
    with pytest.raises(rnn_core.LabelError, match=r"not in label_vocabulary.*strange"):
        trained.evaluate(lambda: data.dataset(strange).batch(7))


def test_an_input_without_end_is_refused_unless_there_are_steps(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    with pytest.raises(rnn_core.ArgumentError, match="Give steps"):
        trained.evaluate(lambda: words_input().repeat())
    assert trained.evaluate(lambda: words_input().repeat(), steps=1)["global_step"] == 10
