"""Which labels are taken, and which are refused with their name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import (
    ArgumentError,
    BinaryClassHead,
    LabelError,
    MultiClassHead,
    MultiLabelHead,
    RegressionHead,
)
from rnn_core.graph.runtime_checks import named_errors
from rnn_core.heads.labels import Vocabulary
from tests.rnn_core.heads.samples import LABELS3, LOGITS1, LOGITS3, WORDS, losses


@pytest.mark.parametrize(
    ("head", "labels", "message"),
    [
        (MultiClassHead(3), [0, 1, 2, 3, 1, 0], r"outside of \[0, 3\).*3"),
        (MultiClassHead(3), [0, 1, 2, -1, 1, 0], r"outside of \[0, 3\).*-1"),
        (MultiClassHead(3), [0.0] * 6, "integer labels"),
        (MultiClassHead(3), ["x"] * 6, "label_vocabulary"),
        (MultiClassHead(3, label_vocabulary=WORDS), ["q"] * 6, "not in label_vocabulary.*q"),
        (MultiClassHead(3, label_vocabulary=WORDS), [1] * 6, "type string"),
        (MultiClassHead(3), [0, 1], "one for each row of the features, 6: got 2"),
        (MultiClassHead(3), [[0, 1, 2]] * 2, r"shape \[B\] or \[B, 1\], got \(2, 3\)"),
        (MultiClassHead(3), 1, r"shape \[B\] or \[B, 1\], got \(\)"),
        (MultiClassHead(3), [[[1]]] * 6, r"got \(6, 1, 1\)"),
        (BinaryClassHead(), [0.0, 1.0, 1.5, 0.0, 0.0, 0.0], r"outside of \[0, 1\].*1.5"),
        (BinaryClassHead(), [0, 1, -1, 0, 0, 0], r"outside of \[0, 1\].*-1"),
        (BinaryClassHead(), [float("nan")] * 6, r"outside of \[0, 1\].*nan"),
        (BinaryClassHead(), ["x"] * 6, "label_vocabulary"),
        (BinaryClassHead(label_vocabulary=WORDS[:2]), ["z"] * 6, "not in label_vocabulary.*z"),
        (MultiLabelHead(3), [[0, 1, 2]] * 6, r"outside of \[0, 1\].*2"),
        (MultiLabelHead(3), [[0, 1]] * 6, r"shape \[B, 3\], got \(6, 2\)"),
        (MultiLabelHead(3), [0, 1, 1, 0, 0, 0], r"shape \[B, 3\], got \(6,\)"),
        (RegressionHead(3), [[0.0, 1.0]] * 6, r"shape \[B, 3\], got \(6, 2\)"),
        (RegressionHead(1), ["x"] * 6, "numbers, got string"),
    ],
)
def test_labels_that_cannot_be_used_are_named(head: Any, labels: Any, message: str) -> None:
    logits = LOGITS1 if head.logits_dimension == 1 else LOGITS3
    with pytest.raises(LabelError, match=message):
        losses(head, labels, logits)


@pytest.mark.parametrize(
    ("head", "values", "message"),
    [
        (MultiLabelHead(3), [[0], [3]], r"outside of \[0, 3\).*3"),
        (MultiLabelHead(3), [[0.0], [1.0]], "integer labels"),
        (MultiLabelHead(3), [["x"], ["y"]], "label_vocabulary"),
        (MultiLabelHead(3, label_vocabulary=WORDS), [["x"], ["q"]], "not in label_vocabulary.*q"),
        (MultiLabelHead(3), [[0], [1], [2]], "one for each row of the features, 2: got 3"),
        (MultiClassHead(3), [[0], [1]], "dense tensor .* got RaggedTensor"),
        (RegressionHead(3), [[0.0], [1.0]], "dense tensor .* got RaggedTensor"),
    ],
)
def test_lists_of_labels_that_cannot_be_used_are_named(
    head: Any, values: Any, message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        losses(head, tf.ragged.constant(values), LOGITS3[:2])


def test_sparse_labels_of_one_class_are_refused() -> None:
    with pytest.raises(LabelError, match="got SparseTensor"):
        MultiClassHead(3).losses({}, tf.sparse.from_dense([[1]] * 6), tf.constant(LOGITS3))


@pytest.mark.parametrize("head", [MultiClassHead(3), MultiLabelHead(3), RegressionHead(3)])
def test_no_labels_are_named(head: Any) -> None:
    with pytest.raises(LabelError, match="got None"):
        head.losses({}, None, LOGITS3)
    with pytest.raises(LabelError, match="got a dict"):
        head.losses({}, {"a": LABELS3}, LOGITS3)


@pytest.mark.slow
def test_another_shape_is_named_while_running_too() -> None:
    sizes = [tf.TensorSpec([None, None], tf.int64), tf.TensorSpec([None, 3], tf.float32)]
    run = tf.function(
        lambda labels, logits: MultiClassHead(3).losses({}, labels, logits).reduced,
        input_signature=sizes,
    )
    column = LABELS3[:, np.newaxis]
    for wrong, shape in ((column[:5], r"\[5 1 6\]"), (column.repeat(2, axis=1), r"\[6 2 6\]")):
        with pytest.raises(LabelError, match=f"Labels: .*{shape}"), named_errors():
            run(wrong, LOGITS3)
    assert np.isfinite(float(run(column, LOGITS3)))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_every_type_of_integer_is_a_class(dtype: Any) -> None:
    head = MultiClassHead(3)
    expected = float(losses(head, LABELS3, LOGITS3).reduced)
    assert float(losses(head, LABELS3.astype(dtype), LOGITS3).reduced) == expected


@pytest.mark.parametrize("words", [["x", "y"], ["x", "y", "y"], "xyz"])
def test_a_vocabulary_needs_one_string_a_class(words: Any) -> None:
    with pytest.raises(ArgumentError, match="label_vocabulary: expected 3 different strings"):
        Vocabulary(words, 3)
    with pytest.raises(ArgumentError, match="label_vocabulary: expected 3 different strings"):
        MultiClassHead(3, label_vocabulary=words)
