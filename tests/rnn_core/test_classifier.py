"""The estimator's methods: evaluate, predict and what reads the newest checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core.summaries import read_events
from tests.rnn_core.samples import WORDS, Data, make_estimator


@pytest.fixture(scope="module")
def words_input(data: Data) -> Any:
    words = np.array(WORDS)[data.labels]
    return lambda: data.dataset(words).batch(7)


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


def test_an_evaluation_before_any_checkpoint_works(data: Data, tmp_path: Path) -> None:
    assert make_estimator(tmp_path).evaluate(data.eval_input)["global_step"] == 0


def test_an_empty_evaluation_and_wrong_labels_are_named(
    trained: rnn_core.RNNClassifier, words_input: Any, data: Data
) -> None:
    with pytest.raises(rnn_core.EmptyInputError, match="to evaluate"):
        trained.evaluate(lambda: words_input().take(0))
    strange = np.array(["strange"] * len(data.labels))
    with pytest.raises(rnn_core.LabelError, match="not in label_vocabulary.*strange"):
        trained.evaluate(lambda: data.dataset(strange).batch(7))


def test_predictions_come_one_by_one_and_as_asked(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    (row,) = list(trained.predict(words_input, predict_keys=["class_ids"]))[:1]
    assert {name: value.shape for name, value in row.items()} == {"class_ids": (1,)}
    batches = list(trained.predict(words_input, yield_single_examples=False))
    assert [len(batch["logits"]) for batch in batches] == [7, 7, 7, 3]
    with pytest.raises(rnn_core.ArgumentError, match="predict_keys"):
        next(trained.predict(words_input, predict_keys=["nothing"]))


def test_only_what_is_read_is_predicted(trained: rnn_core.RNNClassifier, words_input: Any) -> None:
    endless = trained.predict(lambda: words_input().repeat())
    assert len([next(endless) for _ in range(50)]) == 50


def test_a_second_prediction_neither_traces_nor_restores(
    trained: rnn_core.RNNClassifier, words_input: Any, caplog: pytest.LogCaptureFixture
) -> None:
    list(trained.predict(words_input))
    model = trained._predicted
    assert model is not None
    traces = model.predict.experimental_get_tracing_count()
    with caplog.at_level("INFO", "rnn_core"):
        list(trained.predict(words_input))
    assert trained._predicted is model
    assert model.predict.experimental_get_tracing_count() == traces
    assert "Restored" not in caplog.text


def test_two_predictions_of_different_checkpoints_may_interleave(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    older = str(Path(trained.model_dir) / "model.ckpt-4")
    alone = [row["logits"] for row in trained.predict(words_input, checkpoint_path=older)]
    one = trained.predict(words_input, checkpoint_path=older)
    first = next(one)["logits"]
    other = [row["logits"] for row in trained.predict(words_input)]
    mixed = [first, *(row["logits"] for row in one)]
    assert np.array_equal(mixed, alone)
    assert not np.array_equal(mixed, other)


def test_variables_of_the_newest_checkpoint_are_read_by_name(
    trained: rnn_core.RNNClassifier,
) -> None:
    names = trained.get_variable_names()
    assert "training/Adagrad/rnn_model/rnn/gru_cell/kernel/accumulator" in names
    assert "dense_features/category_indicator" not in names
    assert trained.get_variable_value("global_step") == 10
    both = trained.get_variable_value(["global_step", "rnn_model/logits/bias"])
    assert both["rnn_model/logits/bias"].shape == (3,)
    with pytest.raises(rnn_core.CheckpointError, match="'nothing'"):
        trained.get_variable_value("nothing")


def test_without_a_checkpoint_there_is_nothing_to_read(tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    assert estimator.latest_checkpoint() is None
    with pytest.raises(rnn_core.CheckpointError, match="train first"):
        estimator.get_variable_names()


def test_two_classes_are_trained_and_measured(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path, n_classes=2, units=[3, 2], cell_type="lstm")
    labels = data.labels % 2
    estimator.train(lambda: data.dataset(labels).batch(8).repeat(), steps=2)
    found = estimator.evaluate(lambda: data.dataset(labels).batch(8))
    assert {"auc", "auc_precision_recall", "label/mean", "precision", "recall"} < set(found)
    row = next(estimator.predict(lambda: data.dataset(labels).batch(8)))
    assert row["logistic"].shape == (1,)
    assert row["probabilities"].shape == (2,)


def test_a_small_model_learns(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(
        tmp_path,
        units=[16],
        optimizer=tf.keras.optimizers.Adam(0.05),
        config={"save_checkpoints_steps": 200, "save_summary_steps": 100},
    )
    estimator.train(data.train_input, max_steps=200)
    assert estimator.evaluate(data.eval_input)["accuracy"] > 0.9
