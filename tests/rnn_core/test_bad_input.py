"""What an input can be wrong by: a training says so before its first step, and nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import FeatureError, LabelError, MissingFeatureError, NanLossDuringTrainingError

pytestmark = pytest.mark.slow

COLUMN = tf.feature_column
X, Y = [[1.0, 2.0], [0.5]], [[3.0, 1.0], [2.0]]


def features(**changes: Any) -> dict[str, Any]:
    ragged = {"x": tf.ragged.constant(X), "y": tf.ragged.constant(Y)}
    return {**ragged, "size": tf.constant([[1.0], [2.0]]), "w": tf.constant([1.0, 2.0]), **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in features().items() if key != name}


CASES: dict[str, tuple[Any, Any, type, type, str]] = {
    "a missing sequence": (
        without("x"),
        [0, 1],
        MissingFeatureError,
        KeyError,
        "'x' is not in the input, which has: size, w, y",
    ),
    "a missing context": (without("size"), [0, 1], MissingFeatureError, KeyError, "'size'"),
    "a missing weight": (without("w"), [0, 1], MissingFeatureError, KeyError, "'w'"),
    "a context for a sequence": (
        features(x=tf.constant([1.0, 2.0])),
        [0, 1],
        FeatureError,
        ValueError,
        "'x'",
    ),
    "a sequence for a context": (
        features(size=tf.ones([2, 2])),
        [0, 1],
        FeatureError,
        ValueError,
        "'size'.*sequence_feature_columns",
    ),
    "other lengths in another column": (
        features(y=tf.ragged.constant([[3.0], [2.0]])),
        [0, 1],
        FeatureError,
        ValueError,
        r"different lengths.*\[\[2 1\]\[1 1\]\]",
    ),
    "a row without steps": (
        features(x=tf.ragged.constant([[], [1.0]]), y=tf.ragged.constant([[], [1.0]])),
        [0, 1],
        FeatureError,
        ValueError,
        r"a step in each.*\[2 0\]",
    ),
    "a number that is none": (
        features(x=tf.ragged.constant([[1.0, np.nan], [0.5]])),
        [0, 1],
        NanLossDuringTrainingError,
        RuntimeError,
        "nothing was updated",
    ),
    "a label out of range": (features(), [0, 3], LabelError, ValueError, r"\[0, 3\).*3"),
    "a string without a vocabulary": (
        features(),
        ["a", "b"],
        LabelError,
        ValueError,
        "label_vocabulary",
    ),
    "labels of another rank": (features(), np.zeros([2, 1, 1], int), LabelError, ValueError, "1"),
    "labels of another length": (features(), [0, 1, 2], LabelError, ValueError, "3"),
    "no labels": (features(), None, LabelError, ValueError, "labels"),
    "a negative weight": (
        features(w=tf.constant([1.0, -2.0])),
        [0, 1],
        LabelError,
        ValueError,
        "'w'.*-2",
    ),
    "weights that are all zero": (
        features(w=tf.zeros([2])),
        [0, 1],
        LabelError,
        ValueError,
        "at least one",
    ),
}


def estimator(model_dir: Path, **changes: Any) -> rnn_core.RNNClassifier:
    return rnn_core.RNNClassifier(
        [COLUMN.sequence_numeric_column("x"), COLUMN.sequence_numeric_column("y")],
        [COLUMN.numeric_column("size")],
        units=[2],
        model_dir=model_dir,
        **{"n_classes": 3, "weight_column": "w", **changes},
    )


def batch(features: Any, labels: Any) -> tf.data.Dataset:
    given = features if labels is None else (features, tf.constant(labels))
    return tf.data.Dataset.from_tensors(given).repeat()


@pytest.mark.parametrize("case", CASES)
def test_it_is_named_and_nothing_is_trained_with_it(case: str, tmp_path: Path) -> None:
    given, labels, error, builtin, message = CASES[case]
    with pytest.raises(error, match=message) as raised:
        estimator(tmp_path).train(lambda: batch(given, labels), steps=2)
    assert isinstance(raised.value, builtin)
    assert isinstance(raised.value, rnn_core.RnnCoreError)
    assert raised.value.__suppress_context__ or raised.value.__cause__ is None
    # Some faults are in the shapes, and found before there is anything to save.
    steps = {path.name.split(".")[1] for path in tmp_path.glob("model.ckpt-*")}
    assert steps <= {"ckpt-0"}


def test_a_word_outside_of_the_vocabulary_is_named(tmp_path: Path) -> None:
    words = estimator(tmp_path, label_vocabulary=["a", "b", "c"])
    with pytest.raises(LabelError, match=r"not in label_vocabulary.*: \[d\]"):
        words.train(lambda: batch(features(), ["a", "d"]), steps=1)
    assert words.get_variable_value("global_step") == 0


def test_a_dense_shape_beyond_the_longest_row_is_padding(tmp_path: Path) -> None:
    tight = features(x=tf.ragged.constant(X).to_sparse(), y=tf.ragged.constant(Y).to_sparse())
    wide = {k: v for k, v in tight.items() if not isinstance(v, tf.SparseTensor)}
    for name in ("x", "y"):
        one = tight[name]
        wide[name] = tf.SparseTensor(
            one.indices, one.values, one.dense_shape + tf.constant([0, 3], tf.int64)
        )
    kernels = []
    for number, given in enumerate((tight, wide)):
        config = rnn_core.RunConfig(tf_random_seed=1)
        one = estimator(tmp_path / str(number), config=config)
        one.train(lambda given=given: batch(given, [0, 1]), steps=2)
        kernels.append(one.get_variable_value("rnn_model/logits/kernel"))
    np.testing.assert_array_equal(kernels[0], kernels[1])
