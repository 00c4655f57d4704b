"""Several heads on one network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import (
    ArgumentError,
    BinaryClassHead,
    LabelError,
    MultiClassHead,
    MultiHead,
    MultiLabelHead,
    RegressionHead,
    RNNEstimator,
    RunConfig,
    export,
)

COLUMN = tf.feature_column.sequence_numeric_column("x")
LOGITS = tf.constant([[-10.0, 10.0, 20.0, -20.0, 20.0], [-15.0, 10.0, -30.0, 20.0, -20.0]])
LABELS = {"one": tf.constant([[1, 0], [1, 1]]), "two": tf.constant([[0, 1, 0], [1, 1, 0]])}


def two_labels(**weights: Any) -> MultiHead:
    return MultiHead([MultiLabelHead(2, name="one"), MultiLabelHead(3, name="two")], **weights)


def test_numbers_are_those_of_2_15() -> None:
    """Of its documentation: for large logits a sigmoid cross entropy is 0 or the logit."""
    head = two_labels()
    losses = head.losses({}, LABELS, LOGITS)
    assert float(losses.reduced) == pytest.approx(23.75, rel=1e-4)
    found = {key: float(one) for key, one in head.metrics(head.sums(losses, LOGITS)).items()}
    expected = {
        "auc/one": 0.17,
        "auc/two": 0.33,
        "auc_precision_recall/one": 0.60,
        "auc_precision_recall/two": 0.40,
        "average_loss/one": 8.75,
        "average_loss/two": 15.0,
        "loss/one": 8.75,
        "loss/two": 15.0,
    }
    assert found == pytest.approx({**expected, "loss": 23.75}, abs=0.01)
    predictions = head.predictions(LOGITS)
    np.testing.assert_array_equal(predictions["one", "logits"], LOGITS[:, :2])
    np.testing.assert_array_equal(predictions["two", "logits"], LOGITS[:, 2:])
    assert (head.name, head.logits_dimension) == ("one_two", 5)


def test_a_weight_multiplies_the_loss_of_its_head() -> None:
    head = two_labels(head_weights=[2.0, 0.5])
    losses = head.losses({}, LABELS, LOGITS)
    assert float(losses.reduced) == pytest.approx(2 * 8.75 + 0.5 * 15, rel=1e-4)
    found = head.metrics(head.sums(losses, LOGITS))
    assert float(found["loss/one"]) == pytest.approx(8.75, rel=1e-4)


def test_an_estimator_trains_evaluates_predicts_and_exports_all_heads(tmp_path: Path) -> None:
    heads = [MultiClassHead(3, name="kind"), RegressionHead(name="size")]
    features = {"x": tf.ragged.constant([[1.0, 2.0], [3.0]])}
    labels = {"kind": tf.constant([0, 2]), "size": tf.constant([1.0, -1.0])}

    def batches() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors((features, labels))

    estimator = RNNEstimator(
        MultiHead(heads),
        [COLUMN],
        units=[4],
        cell_type="gru",
        model_dir=tmp_path / "model",
        optimizer="Adam",
        config=RunConfig(tf_random_seed=1),
    )
    estimator.train(lambda: batches().repeat(), steps=1)
    before = estimator.evaluate(batches)
    estimator.train(lambda: batches().repeat(), steps=30)
    after = estimator.evaluate(batches)
    assert all(after[key] < before[key] for key in ("loss", "loss/kind", "loss/size"))
    assert after["loss"] == pytest.approx(after["loss/kind"] + after["loss/size"], rel=1e-6)
    assert after["accuracy/kind"] == 1
    rows: list[Any] = list(estimator.predict(batches))
    first = rows[0]
    assert first["kind", "probabilities"].shape == (3,)
    assert first["size", "predictions"].shape == (1,)
    with pytest.raises(ArgumentError, match=r"predict_keys: .*\('kind', 'probabilities'\)"):
        next(estimator.predict(batches, predict_keys=["probabilities"]))
    spec = tf.feature_column.make_parse_example_spec([COLUMN])
    receiver = export.build_parsing_serving_input_receiver_fn(spec)
    path = estimator.export_saved_model(str(tmp_path / "export"), receiver)
    signatures = tf.saved_model.load(path).signatures
    assert {"serving_default", "kind", "kind/predict", "size", "size/regression", "predict"} <= set(
        signatures
    )
    names = set(signatures["predict"].structured_outputs)
    assert {"kind/probabilities", "size/predictions"} <= names


def test_labels_are_a_dict_by_the_names_of_the_heads() -> None:
    with pytest.raises(LabelError, match=r"names of the heads, one, two; got \['one'\]"):
        two_labels().losses({}, {"one": LABELS["one"]}, LOGITS)
    with pytest.raises(LabelError, match="names of the heads, one, two; got "):
        two_labels().losses({}, LABELS["one"], LOGITS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiHead([]), "heads with different names"),
        (lambda: MultiHead([BinaryClassHead()]), r"different names, got the names \[''\]"),
        (lambda: MultiHead([BinaryClassHead(name="a")] * 2), r"the names \['a', 'a'\]"),
        (lambda: two_labels(head_weights=[1.0]), "head_weights: expected 2"),
        (
            lambda: MultiHead(
                [
                    BinaryClassHead(name="a", loss_reduction="sum"),
                    RegressionHead(name="b"),
                ]
            ),
            "one loss_reduction for all, got sum, sum_over_batch_size",
        ),
    ],
)
def test_heads_that_do_not_go_together_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()
