"""The arguments: what they mean together, their defaults, and what is refused."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import RNNClassifier, RNNEstimator
from rnn_core.config.run_config import USE_DEFAULT
from tests.rnn_core.samples import (
    CLASSES,
    ROWS,
    WORDS,
    Data,
    context_columns,
    make_estimator,
    sequence_columns,
    weights_of,
)

pytestmark = pytest.mark.slow

fc = tf.feature_column


def first_step(estimator: RNNClassifier, data: Data, labels: Any = None, **more: Any) -> Any:
    """Trains one step on all rows; gives the estimator."""
    features = {**data.features(), **more}
    batch = tf.data.Dataset.from_tensors(
        (features, tf.constant(data.labels if labels is None else labels))
    )
    return estimator.train(lambda: batch, steps=1)


def metrics_of(estimator: RNNClassifier, data: Data, labels: Any, **more: Any) -> dict[str, float]:
    batch = tf.data.Dataset.from_tensors(({**data.features(), **more}, tf.constant(labels)))
    return estimator.evaluate(lambda: batch)


def test_a_classifier_is_an_rnn_estimator() -> None:
    assert issubclass(RNNClassifier, RNNEstimator)
    assert issubclass(RNNEstimator, rnn_core.Estimator)


def test_arguments_have_the_order_and_the_defaults_of_the_page() -> None:
    parameters = inspect.signature(RNNClassifier).parameters
    found = {name: parameter.default for name, parameter in parameters.items()}
    # Behind those of the page is what has no counterpart there.
    own = {
        "network": None, "label_smoothing": 0.0, "class_weights": None, "focal_gamma": 0.0,
        "macro_f1": False,
    }  # fmt: skip
    assert list(found)[-len(own) :] == list(own)
    assert {name: found.pop(name) for name in own} == own
    assert list(found.items()) == [
        ("sequence_feature_columns", inspect.Parameter.empty),
        ("context_feature_columns", None),
        ("units", None),
        ("cell_type", USE_DEFAULT),
        ("rnn_cell_fn", None),
        ("return_sequences", False),
        ("model_dir", None),
        ("n_classes", 2),
        ("weight_column", None),
        ("label_vocabulary", None),
        ("optimizer", "Adagrad"),
        ("loss_reduction", "sum_over_batch_size"),
        ("sequence_mask", "sequence_mask"),
        ("config", None),
    ]


def test_the_example_of_the_page_runs(data: Data, tmp_path: Path) -> None:
    tokens = fc.sequence_categorical_column_with_hash_bucket("words", hash_bucket_size=10)
    estimator = RNNClassifier(
        sequence_feature_columns=[fc.embedding_column(tokens, dimension=2)],
        units=[32, 16],
        cell_type="lstm",
        model_dir=tmp_path,
    )
    words = tf.strings.as_string(data.features()["tokens"])
    batch = tf.data.Dataset.from_tensors(({"words": words}, data.labels % 2))
    estimator.train(lambda: batch.repeat(), steps=2)
    assert estimator.evaluate(lambda: batch, steps=1)["global_step"] == 2
    assert len(list(estimator.predict(lambda: batch))) == ROWS


# Features.


@pytest.mark.parametrize("missing", ["numbers", "tokens", "context", "category", "importance"])
def test_a_feature_that_a_column_or_the_weight_needs_is_a_key_error(
    data: Data, tmp_path: Path, missing: str
) -> None:
    estimator = make_estimator(tmp_path, weight_column="importance")
    features = {**data.features(), "importance": tf.ones([ROWS])}
    del features[missing]
    batch = tf.data.Dataset.from_tensors((features, data.labels))
    for method in (estimator.train, estimator.evaluate):
        with pytest.raises(KeyError, match=missing):
            method(lambda: batch, steps=1)


@pytest.mark.parametrize("missing", ["ids", "shares"])
def test_a_weighted_categorical_column_needs_two_features(
    data: Data, tmp_path: Path, missing: str
) -> None:
    ids = fc.categorical_column_with_identity("ids", 4)
    weighted = fc.weighted_categorical_column(ids, "shares")
    estimator = make_estimator(tmp_path, context_feature_columns=[fc.embedding_column(weighted, 2)])
    extra = {
        "ids": tf.sparse.from_dense(np.full((ROWS, 2), 1)),
        "shares": tf.sparse.from_dense(np.full((ROWS, 2), 0.5, np.float32)),
    }
    first_step(estimator, data, **extra)
    features = {**data.features(), **extra}
    del features[missing]
    with pytest.raises(KeyError, match=missing):
        next(estimator.predict(lambda: tf.data.Dataset.from_tensors(features)))


def test_features_of_sequences_and_contexts_may_be_sparse(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    sparse = {name: data.features()[name].to_sparse() for name in ("numbers", "tokens")}
    dense = first_step(make_estimator(tmp_path / "dense"), data)
    category = tf.SparseTensor([[row, 0] for row in range(ROWS)], data.category[:, 0], [ROWS, 1])
    found = weights_of(first_step(estimator, data, category=category, **sparse))
    expected = weights_of(dense)
    assert all(np.allclose(found[name], expected[name], atol=1e-6) for name in expected)


def test_the_context_is_seen_at_every_step(data: Data, tmp_path: Path) -> None:
    """One step of one row: the input is the sequence's numbers, then the context's, by name."""
    estimator = make_estimator(tmp_path, cell_type="simple_rnn", n_classes=2)
    first_step(estimator, data, data.labels % 2)
    kernel = estimator.get_variable_value("rnn_model/rnn/simple_rnn_cell/kernel")
    numbers, embedding, category, context = 2, 3, 4, 2
    assert kernel.shape == (numbers + embedding + category + context, 3)


def test_context_columns_must_be_dense_and_sequence_columns_sequences(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="context_feature_columns"):
        make_estimator(tmp_path, context_feature_columns=sequence_columns())
    with pytest.raises(ValueError, match="sequence_feature_columns"):
        make_estimator(tmp_path, sequence_feature_columns=context_columns())


# Cells.


@pytest.mark.parametrize(
    "wrong",
    [
        {"units": [3], "cell_type": "gru", "rnn_cell_fn": keras.layers.GRUCell},
        {
            "units": [3],
            "cell_type": USE_DEFAULT,
            "rnn_cell_fn": lambda: None,
        },
        {"units": None, "cell_type": "gru", "rnn_cell_fn": lambda: None},
        {"units": None, "cell_type": "gru"},
        {"units": [3], "cell_type": "elman"},
        {"units": [], "cell_type": "gru"},
    ],
)
def test_units_cell_type_and_rnn_cell_fn_that_do_not_fit_are_a_value_error(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"units|cell_type|rnn_cell_fn"):
        make_estimator(tmp_path, **wrong)


@pytest.mark.parametrize(
    ("units", "scope"),
    [
        ([3], "rnn_model/rnn/simple_rnn_cell"),
        ([3, 2], "rnn_model/rnn/stacked_rnn_cells/simple_rnn_cell_1"),
        (3, "rnn_model/simple_rnn/simple_rnn_cell"),
    ],
)
def test_units_give_a_layer_each_of_simple_cells_by_default(
    data: Data, tmp_path: Path, units: Any, scope: str
) -> None:
    estimator = make_estimator(tmp_path, units=units, cell_type=USE_DEFAULT)
    assert f"{scope}/kernel" in first_step(estimator, data).get_variable_names()


class Decaying:
    """A cell of one's own: a leaky sum, with all that is asked of a cell and nothing else."""

    def __init__(self, units: int) -> None:
        self.state_size = self.output_size = units

    def call(self, inputs: tf.Tensor, states: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
        state = 0.5 * states[0] + inputs[:, : self.state_size]
        return state, [state]

    def get_initial_state(self, batch_size: Any = None, **_: Any) -> list[tf.Tensor]:
        return [tf.zeros([batch_size, self.state_size])]


@pytest.mark.parametrize(
    "cells",
    [
        {"units": [3], "cell_type": keras.layers.GRUCell},
        {"units": [3], "cell_type": Decaying},
        {"units": None, "rnn_cell_fn": lambda: keras.layers.LSTMCell(3)},
        {
            "units": None,
            "rnn_cell_fn": lambda: keras.layers.StackedRNNCells(
                [keras.layers.GRUCell(3), keras.layers.LSTMCell(2)]
            ),
        },
    ],
    ids=["Keras class", "own class", "function", "stacked"],
)
def test_a_cell_may_be_a_class_or_come_from_a_function(
    data: Data, tmp_path: Path, cells: dict[str, Any]
) -> None:
    if "rnn_cell_fn" in cells:
        cells = {**cells, "cell_type": USE_DEFAULT}
    estimator = first_step(make_estimator(tmp_path, **cells), data)
    rows = list(estimator.predict(data.eval_input))
    padded = {**data.features()}
    padded["numbers"] = tf.concat([padded["numbers"], tf.zeros([1, 9, 2])], 0)[:ROWS]
    assert len(rows) == ROWS
    assert np.all(np.isfinite([row["logits"] for row in rows]))


def test_a_cell_needs_a_call_and_a_state_size(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path, units=[3], cell_type=lambda units: object())
    with pytest.raises(ValueError, match="state_size"):
        first_step(estimator, data)


def test_full_sequences_are_classified_step_by_step(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path, return_sequences=True)
    labels = tf.RaggedTensor.from_row_lengths(data.tokens % CLASSES, data.lengths).to_sparse()
    batch = tf.data.Dataset.from_tensors((data.features(), labels))
    estimator.train(lambda: batch, steps=1)
    assert 0 <= estimator.evaluate(lambda: batch)["accuracy"] <= 1
    (found,) = estimator.predict(lambda: batch, yield_single_examples=False)
    longest = data.lengths.max()
    assert found["logits"].shape == (ROWS, longest, CLASSES)
    assert np.array_equal(found["sequence_mask"].sum(1), data.lengths)


def test_full_sequences_take_a_weight_by_name_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="weight_column"):
        make_estimator(
            tmp_path, return_sequences=True, weight_column=fc.numeric_column("importance")
        )


def test_a_sequence_mask_in_the_features_says_which_steps_are_measured(
    data: Data, tmp_path: Path
) -> None:
    estimator = make_estimator(tmp_path, return_sequences=True, sequence_mask="steps")
    labels = tf.RaggedTensor.from_row_lengths(data.tokens % CLASSES, data.lengths).to_sparse()
    steps = tf.sequence_mask(data.lengths)
    mask = tf.concat([steps[:1], tf.zeros_like(steps[1:])], 0)
    one_row = {name: value[:1] for name, value in data.features().items()}
    first_labels = tf.sparse.slice(labels, [0, 0], [1, int(data.lengths[0])])
    alone = tf.data.Dataset.from_tensors((one_row, first_labels))
    masked_labels = tf.SparseTensor(first_labels.indices, first_labels.values, labels.dense_shape)
    masked = tf.data.Dataset.from_tensors(({**data.features(), "steps": mask}, masked_labels))
    found = estimator.evaluate(lambda: masked)["average_loss"]
    estimator = make_estimator(tmp_path, return_sequences=True, sequence_mask="steps")
    assert found == pytest.approx(estimator.evaluate(lambda: alone)["average_loss"], rel=1e-5)


# Classes, weights and labels.


@pytest.mark.parametrize("n_classes", [1, 0, -3])
def test_there_must_be_more_than_one_class(tmp_path: Path, n_classes: int) -> None:
    with pytest.raises(ValueError, match="n_classes"):
        make_estimator(tmp_path, n_classes=n_classes)


def test_the_loss_is_softmax_cross_entropy(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    logits = np.array([row["logits"] for row in estimator.predict(data.eval_input)])
    shifted = logits - logits.max(1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    expected = -log_softmax[np.arange(ROWS), data.labels].mean()
    assert metrics_of(estimator, data, data.labels)["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_weight_multiplies_the_loss_of_its_example(data: Data, tmp_path: Path) -> None:
    only_first = tf.one_hot(0, ROWS) * 3
    weighted = make_estimator(tmp_path, weight_column="importance")
    found = metrics_of(weighted, data, data.labels, importance=only_first)
    one_row = tf.data.Dataset.from_tensors(
        ({k: v[:1] for k, v in data.features().items()}, data.labels[:1])
    )
    alone = make_estimator(tmp_path).evaluate(lambda: one_row)["loss"]
    assert found["loss"] == pytest.approx(3 * alone / ROWS, rel=1e-5)
    assert found["average_loss"] == pytest.approx(alone, rel=1e-5)


def test_a_numeric_column_normalizes_the_raw_weight(data: Data, tmp_path: Path) -> None:
    column = fc.numeric_column("importance", normalizer_fn=lambda weight: weight * weight)
    raw = tf.range(1.0, ROWS + 1)
    squared = metrics_of(
        make_estimator(tmp_path, weight_column="importance"), data, data.labels, importance=raw**2
    )
    normalized = metrics_of(
        make_estimator(tmp_path, weight_column=column), data, data.labels, importance=raw
    )
    assert normalized == pytest.approx(squared)


@pytest.mark.parametrize(
    ("n_classes", "vocabulary", "labels", "message"),
    [
        (3, WORDS, [0] * ROWS, "type string"),
        (3, WORDS, ["class-9"] * ROWS, "not in label_vocabulary"),
        (3, None, WORDS * 8, "label_vocabulary"),
        (3, None, [3] * ROWS, r"outside of \[0, 3\)"),
        (3, None, [-1] * ROWS, r"outside of \[0, 3\)"),
        (2, None, [1.5] * ROWS, r"outside of \[0, 1\]"),
        (2, None, WORDS * 8, "label_vocabulary"),
    ],
)
def test_labels_that_do_not_fit_are_a_value_error(
    data: Data, tmp_path: Path, n_classes: int, vocabulary: Any, labels: Any, message: str
) -> None:
    estimator = make_estimator(tmp_path, n_classes=n_classes, label_vocabulary=vocabulary)
    with pytest.raises(ValueError, match=message):
        metrics_of(estimator, data, labels)


def test_labels_are_ids_without_a_vocabulary_and_strings_with_one(
    data: Data, tmp_path: Path
) -> None:
    ids = metrics_of(make_estimator(tmp_path), data, data.labels)
    words = np.array(WORDS)[data.labels]
    strings = metrics_of(make_estimator(tmp_path, label_vocabulary=WORDS), data, words)
    assert ids == strings


def test_two_classes_take_labels_between_zero_and_one(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path, n_classes=2)
    metrics = metrics_of(estimator, data, np.full(ROWS, 0.25, np.float32))
    assert metrics["label/mean"] == pytest.approx(0.25)


# Training settings.


def test_the_optimizer_is_adagrad_unless_given(data: Data, tmp_path: Path) -> None:
    default = first_step(make_estimator(tmp_path / "default"), data)
    adam = first_step(make_estimator(tmp_path / "adam", optimizer=keras.optimizers.Adam()), data)
    assert default.get_variable_value("training/Adagrad/learning_rate") == pytest.approx(0.05)
    assert "training/Adam/rnn_model/logits/bias/m" in adam.get_variable_names()


def test_the_loss_is_reduced_over_the_batch_as_told(data: Data, tmp_path: Path) -> None:
    mean = metrics_of(make_estimator(tmp_path), data, data.labels)
    total = metrics_of(make_estimator(tmp_path, loss_reduction="sum"), data, data.labels)
    assert total["loss"] == pytest.approx(ROWS * mean["loss"], rel=1e-5)
    with pytest.raises(ValueError, match="loss_reduction"):
        make_estimator(tmp_path, loss_reduction="none")


def test_a_model_dir_is_continued(data: Data, tmp_path: Path) -> None:
    first_step(make_estimator(tmp_path), data)
    assert first_step(make_estimator(tmp_path), data).get_variable_value("global_step") == 2
