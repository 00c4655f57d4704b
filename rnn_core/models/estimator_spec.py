"""EstimatorSpec: what a ``model_fn`` returns for one mode."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError, ModelFnError, UnsupportedError
from rnn_core.heads.export_outputs import ExportOutput, PredictOutput
from rnn_core.hooks import Hook
from rnn_core.types import ModeKeys

_DEFAULT_SIGNATURE: Final = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY

EvalMetric: TypeAlias = keras.metrics.Metric | tuple[tf.Tensor, tf.Tensor | tf.Operation]
"""A Keras metric, or (value, update operation)."""
AnyHook: TypeAlias = Hook | tf.compat.v1.train.SessionRunHook
"""A hook of this package, or one that was written for ``tf.estimator``."""


@dataclasses.dataclass(frozen=True)
class EstimatorSpec:
    """The tensors and operations of one mode; a mode ignores what it does not need.

    Args:
        mode: one of ``ModeKeys``.
        predictions: a tensor or a dict of tensors [B, ...]; needed to predict.
        loss: a number, shape [] or [1]; needed to train and to evaluate.
        train_op: what updates the variables and the global step; needed to train.
        eval_metric_ops: by name, a Keras metric that was updated with the batch, or the pair
            (value, update operation) of a function in ``tf.compat.v1.metrics``.
        export_outputs: ``ExportOutput`` by signature name; by default one ``PredictOutput`` of all
            predictions.
        training_chief_hooks: hooks of ``train`` in the process that writes checkpoints.
        training_hooks: hooks of ``train``.
        scaffold: not supported: it builds sessions.
        evaluation_hooks: hooks of ``evaluate``.
        prediction_hooks: hooks of ``predict``.

    Raises:
        ModelFnError: something that the mode needs is missing or has the wrong shape.
        UnsupportedError: a scaffold is given.
    """

    mode: str
    predictions: tf.Tensor | Mapping[str, tf.Tensor] | None = None
    loss: tf.Tensor | float | None = None
    train_op: tf.Operation | tf.Tensor | None = None
    eval_metric_ops: Mapping[str, EvalMetric] | None = None
    export_outputs: Mapping[str, ExportOutput] | None = None
    training_chief_hooks: Iterable[AnyHook] | None = None
    training_hooks: Iterable[AnyHook] | None = None
    scaffold: tf.compat.v1.train.Scaffold | None = None
    evaluation_hooks: Iterable[AnyHook] | None = None
    prediction_hooks: Iterable[AnyHook] | None = None

    def __post_init__(self) -> None:
        if self.scaffold is not None:
            raise UnsupportedError(
                "EstimatorSpec.scaffold: it prepares sessions, and there are none. Initialize "
                "variables in model_fn, and use warm_start_from to take values of a checkpoint."
            )
        self._check_presence()
        object.__setattr__(self, "loss", _scalar(self.loss))
        object.__setattr__(self, "eval_metric_ops", _checked_metrics(self.eval_metric_ops or {}))
        if self.mode == ModeKeys.PREDICT:
            outputs = _checked_outputs(self.export_outputs, self.predictions)
            object.__setattr__(self, "export_outputs", outputs)
        for name in (
            "training_chief_hooks",
            "training_hooks",
            "evaluation_hooks",
            "prediction_hooks",
        ):
            object.__setattr__(self, name, tuple(getattr(self, name) or ()))

    def _check_presence(self) -> None:
        needed = {
            ModeKeys.TRAIN: ("loss", "train_op"),
            ModeKeys.EVAL: ("loss",),
            ModeKeys.PREDICT: ("predictions",),
        }
        if self.mode not in needed:
            raise ModelFnError(
                f"EstimatorSpec.mode: expected one of {', '.join(needed)}, got {self.mode!r}."
            )
        missing = [name for name in needed[self.mode] if getattr(self, name) is None]
        if missing:
            raise ModelFnError(
                f"EstimatorSpec: mode {self.mode!r} needs {' and '.join(needed[self.mode])}; "
                f"{' and '.join(missing)} is missing."
            )


def _scalar(loss: tf.Tensor | float | None) -> tf.Tensor | None:
    if loss is None:
        return None
    tensor = tf.convert_to_tensor(loss)
    if tensor.shape.num_elements() != 1:
        raise ModelFnError(f"EstimatorSpec.loss: expected one number, got {tensor.shape}.")
    return tf.reshape(tensor, [])


def _checked_metrics(metrics: Mapping[str, EvalMetric]) -> dict[str, EvalMetric]:
    for name, metric in metrics.items():
        pair = isinstance(metric, tuple) and len(metric) == 2
        if not (pair or isinstance(metric, keras.metrics.Metric)):
            raise ModelFnError(
                f"EstimatorSpec.eval_metric_ops[{name!r}]: expected a Keras metric or a pair "
                f"(value, update operation), got {metric!r}."
            )
        if name == "global_step":
            raise ModelFnError(
                "EstimatorSpec.eval_metric_ops: 'global_step' is reported anyway; rename yours."
            )
    return dict(metrics)


def _checked_outputs(
    outputs: Mapping[str, ExportOutput] | None, predictions: tf.Tensor | Mapping[str, tf.Tensor]
) -> dict[str, ExportOutput]:
    if not outputs:
        return {_DEFAULT_SIGNATURE: PredictOutput(predictions)}
    for name, output in outputs.items():
        if not isinstance(output, ExportOutput):
            raise ModelFnError(
                f"EstimatorSpec.export_outputs[{name!r}]: expected an ExportOutput, got {output!r}."
            )
    if len(outputs) > 1 and _DEFAULT_SIGNATURE not in outputs:
        raise ArgumentError(
            f"EstimatorSpec.export_outputs: with several, one must be {_DEFAULT_SIGNATURE!r}; got "
            f"{', '.join(sorted(outputs))}."
        )
    (first, *_) = outputs.values()
    return {_DEFAULT_SIGNATURE: first, **outputs}
