"""What a model function may return."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from rnn_core import EstimatorSpec, ModeKeys, ModelFnError, UnsupportedError
from rnn_core.heads.export_outputs import PredictOutput

LOSS, STEP = tf.constant(1.0), tf.constant(1)


@pytest.mark.parametrize(
    ("mode", "given", "missing"),
    [
        (ModeKeys.TRAIN, {"loss": LOSS}, "train_op is missing"),
        (ModeKeys.TRAIN, {"train_op": STEP}, "loss is missing"),
        (ModeKeys.EVAL, {"predictions": LOSS}, "loss is missing"),
        (ModeKeys.PREDICT, {"loss": LOSS}, "predictions is missing"),
        ("training", {}, "expected one of train, eval, infer"),
    ],
)
def test_each_mode_names_what_it_misses(mode: str, given: dict[str, Any], missing: str) -> None:
    with pytest.raises(ModelFnError, match=missing):
        EstimatorSpec(mode, **given)


def test_a_loss_of_one_element_becomes_a_scalar() -> None:
    loss: Any = EstimatorSpec(ModeKeys.EVAL, loss=tf.constant([2.0])).loss
    assert loss.shape == []


def test_a_loss_for_each_example_is_refused() -> None:
    with pytest.raises(ModelFnError, match=r"expected one number, got \(3,\)"):
        EstimatorSpec(ModeKeys.EVAL, loss=tf.ones([3]))


@pytest.mark.parametrize(
    ("metrics", "message"),
    [({"error": LOSS}, "a Keras metric or a pair"), ({"global_step": (LOSS, LOSS)}, "rename")],
)
def test_metrics_that_cannot_be_reported_are_refused(metrics: Any, message: str) -> None:
    with pytest.raises(ModelFnError, match=message):
        EstimatorSpec(ModeKeys.EVAL, loss=LOSS, eval_metric_ops=metrics)


def test_predictions_are_exported_by_default() -> None:
    spec = EstimatorSpec(ModeKeys.PREDICT, predictions={"value": LOSS})
    assert spec.export_outputs is not None
    default = spec.export_outputs["serving_default"]
    assert isinstance(default, PredictOutput)
    assert default.outputs == {"value": LOSS}


def test_the_only_export_output_is_also_the_default() -> None:
    output = PredictOutput({"value": LOSS})
    spec = EstimatorSpec(ModeKeys.PREDICT, {"value": LOSS}, export_outputs={"mine": output})
    assert spec.export_outputs == {"serving_default": output, "mine": output}


def test_an_export_output_of_another_kind_is_named() -> None:
    outputs: Any = {"mine": {"value": LOSS}}
    with pytest.raises(ModelFnError, match=r"export_outputs\['mine'\]: expected an ExportOutput"):
        EstimatorSpec(ModeKeys.PREDICT, {"value": LOSS}, export_outputs=outputs)


def test_several_export_outputs_need_a_default() -> None:
    outputs = {name: PredictOutput({"value": LOSS}) for name in "ab"}
    with pytest.raises(ValueError, match="one must be 'serving_default'; got a, b"):
        EstimatorSpec(ModeKeys.PREDICT, {"value": LOSS}, export_outputs=outputs)


def test_a_scaffold_has_no_session_to_prepare() -> None:
    with pytest.raises(UnsupportedError, match="warm_start_from"):
        EstimatorSpec(ModeKeys.EVAL, loss=LOSS, scaffold=object())
