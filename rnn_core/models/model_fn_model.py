"""The model behind ``Estimator``: a ``model_fn``, traced for one mode."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnn_core.config.run_config import RunConfig
from rnn_core.errors import ModelFnError, NanLossDuringTrainingError, UnsupportedError
from rnn_core.graph.runtime_checks import require
from rnn_core.graph.step_loop import LastValue
from rnn_core.graph.traced_variables import TracedVariables
from rnn_core.heads.export_outputs import ExportOutput, Supervised
from rnn_core.models.estimator_spec import AnyHook, EstimatorSpec, EvalMetric
from rnn_core.models.model_fn import ModelFn, call_model_fn
from rnn_core.storage import checkpoints, summaries
from rnn_core.storage.summaries import Summary
from rnn_core.types import Array, Features, Labels, ModeKeys, Table, TensorLike


class ModelFnModel:
    """Traces a ``model_fn`` for one mode; its variables are made by the first trace."""

    def __init__(
        self, model_fn: ModelFn, mode: str, params: Mapping[str, Any], config: RunConfig
    ) -> None:
        self._call = functools.partial(
            call_model_fn, model_fn, mode=mode, params=params, config=config
        )
        self._variables = TracedVariables(config.tf_random_seed)
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._initial_local: dict[str, Array] = {}
        self._results: dict[str, tf.Variable] = {}
        self._checkpoint: str | None = None
        self._spec: EstimatorSpec | None = None
        self._summaries: LastValue | None = None

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """All that ``model_fn`` has created, but what only metrics use, by name."""
        traced = self._variables
        return {k: v for k, v in traced.by_name.items() if k not in traced.local}

    @property
    def written_by_steps(self) -> tuple[()]:
        """None: it is not trained on many replicas."""
        return ()

    def restore(self, checkpoint: str) -> None:
        """Takes the values of a checkpoint, also for variables that a trace makes later.

        Raises:
            CheckpointError: the checkpoint cannot be read or is of another model.
        """
        values = checkpoints.read(checkpoint)
        checkpoints.check(self.variables, values, checkpoint)
        self._checkpoint = checkpoint
        self._variables.restore(values)
        self._step.assign(values["global_step"])

    def assign(self, values: Mapping[str, Array]) -> None:
        """Takes values by name, also for variables that a trace makes later."""
        self._checkpoint = None
        self._variables.restore(values)
        self._step.assign(values["global_step"])

    def train_step(
        self, features: Features | TensorLike, labels: Labels, global_step: tf.Variable
    ) -> tf.Tensor:
        """Runs ``train_op``; gives the loss."""
        # Read before the trace, so that the operation comes before those of train_op.
        before = global_step.read_value()
        spec = self._trace(features, labels, global_step)
        loss = tf.cast(spec.loss, tf.float32)
        moved = require(
            tf.equal(global_step, before + 1),
            ModelFnError,
            "train_op must add 1 to tf.compat.v1.train.get_global_step() with each run; it went "
            "from and to",
            tf.stack([before, global_step]),
        )
        finite = require(
            tf.math.is_finite(loss),
            NanLossDuringTrainingError,
            "The loss is not a finite number; the last checkpoint is still good. The loss",
            loss,
        )
        made = summaries.collected()
        if self._summaries is not None and made is not None:
            self._summaries.put(made)
        with tf.control_dependencies([moved, finite]):
            return tf.identity(loss)

    def gradient_sums(
        self, features: Features | TensorLike, labels: Labels, draw: tf.Tensor
    ) -> tf.Tensor:
        """Raises UnsupportedError: a ``train_op`` moves the variables itself."""
        raise UnsupportedError(
            "Estimator with a model_fn is not trained on many replicas: its train_op would move "
            "each copy of the variables on its own. Leave train_distribute out, or use "
            "RNNEstimator with a head."
        )

    def apply_sums(self, sums: tf.Tensor, global_step: tf.Variable) -> tf.Tensor:
        """Never called, as ``gradient_sums`` always raises."""
        raise NotImplementedError

    def keep_summaries(self) -> None:
        """Makes each step keep what ``model_fn`` gave to ``tf.compat.v1.summary``."""
        self._summaries = LastValue(tf.string, [])

    def summary(self, loss: float) -> Summary:
        """What ``model_fn`` made, and the loss unless it is among that."""
        made = summaries.parse(b"" if self._summaries is None else self._summaries.get())
        if all(value.tag != "loss" for value in made.value):
            made.MergeFrom(summaries.numbers({"loss": loss}))
        return made

    def reset_metrics(self) -> None:
        """Sets the variables of metrics to their initial values."""
        for name, value in self._initial_local.items():
            self._variables.by_name[name].assign(value)

    def evaluate(self, features: Features | TensorLike, labels: Labels) -> dict[str, tf.Tensor]:
        """The loss of the batch; the metrics are kept in variables."""
        spec = self._trace(features, labels, self._step)
        results: dict[str, TensorLike] = {}
        for name, metric in (spec.eval_metric_ops or {}).items():
            value = _value(metric)
            # A later metric replaces one of the same name, perhaps of another type.
            results |= value if isinstance(value, dict) else {name: value}
        for name, result in results.items():
            self._keep_result(name, tf.convert_to_tensor(result))
        return {"loss": tf.cast(spec.loss, tf.float64), "batches": tf.constant(1.0, tf.float64)}

    def _keep_result(self, name: str, value: tf.Tensor) -> None:
        # In a variable, so that nothing is copied to the host after each batch.
        if name not in self._results:
            with tf.init_scope():
                self._results[name] = tf.Variable(tf.zeros(value.shape, value.dtype))
        self._results[name].assign(value)

    def metrics(self, sums: Mapping[str, Array]) -> dict[str, Any]:
        """The metrics of all batches, and the mean of their losses."""
        results = {name: result.numpy() for name, result in self._results.items()}
        numbers = {name: float(v) if np.ndim(v) == 0 else v for name, v in results.items()}
        return {**numbers, "loss": float(sums["loss"] / sums["batches"])}

    def predictions(self, features: Features | TensorLike) -> Any:
        """Predictions of the batch by name, or one tensor."""
        return self._trace(features, None, self._step).predictions

    def export_outputs(self, predictions: Any) -> dict[str, ExportOutput]:
        """The export outputs that came with ``predictions``."""
        del predictions
        return {} if self._spec is None else dict(self._spec.export_outputs or {})

    def supervised(
        self, features: Features | TensorLike, labels: Labels, global_step: tf.Variable
    ) -> Supervised:
        """What ``model_fn`` returns; of its metrics the pairs, whose update is known."""
        spec = self._trace(features, labels, global_step)
        metrics = spec.eval_metric_ops or {}
        pairs = {name: metric for name, metric in metrics.items() if isinstance(metric, tuple)}
        return Supervised(spec.loss, spec.predictions, pairs, spec.train_op)

    def hooks(self) -> Sequence[AnyHook] | None:
        """The spec's hooks for its mode; None before the first trace."""
        spec = self._spec
        if spec is None:
            return None
        by_mode = {
            ModeKeys.TRAIN: (*(spec.training_chief_hooks or ()), *(spec.training_hooks or ())),
            ModeKeys.EVAL: spec.evaluation_hooks,
            ModeKeys.PREDICT: spec.prediction_hooks,
        }
        return tuple(by_mode[spec.mode] or ())

    def resources(self) -> list[Table]:
        """None: tables that ``model_fn`` makes belong to its graph."""
        return []

    def _trace(
        self, features: Features | TensorLike, labels: Labels, step: tf.Variable
    ) -> EstimatorSpec:
        def call() -> EstimatorSpec:
            # get_global_step() looks in this collection: the step must be the loop's variable, not
            # one of an earlier trace. Collections of global variables are shared by all graphs of a
            # process.
            graph = tf.compat.v1.get_default_graph()
            graph.clear_collection(tf.compat.v1.GraphKeys.GLOBAL_STEP)
            graph.add_to_collection(tf.compat.v1.GraphKeys.GLOBAL_STEP, step)
            with warnings.catch_warnings():
                # Summaries of TensorFlow 1 warn that TensorFlow 2 has no writer for them; the
                # training loop writes them.
                warnings.filterwarnings("ignore", "Cannot activate TF2 compatibility support")
                return self._call(features, labels)

        self._spec = self._variables.trace(call, [step])
        self._separate_local(self._spec)
        # Only now are all variables known, so only now can one be missing in the checkpoint.
        if self._checkpoint is not None:
            checkpoints.check(self.variables, self._variables.values, self._checkpoint)
        return self._spec

    def _separate_local(self, spec: EstimatorSpec) -> None:
        """Finds the variables of metrics, which no checkpoint holds, and their initial values."""
        metrics = (spec.eval_metric_ops or {}).values()
        used = [
            variable.value
            for metric in metrics
            if isinstance(metric, keras.metrics.Metric)
            for variable in metric.variables
        ]
        traced = self._variables
        # Keras metrics hold the traced variables themselves, so identity tells their state from the
        # model's; names do not, since a metric may have any. == would compare values.
        for name, variable in traced.by_name.items():
            if any(variable is one for one in used):
                traced.local.add(name)
        with tf.init_scope():
            # A graph that is exported has no values to read: it holds their initialization itself.
            fresh = traced.local - set(self._initial_local) if tf.executing_eagerly() else ()
            for name in fresh:
                self._initial_local[name] = traced.by_name[name].numpy()


def _value(metric: EvalMetric) -> Any:
    """The metric with this batch: a pair's update operation gives the updated value."""
    if isinstance(metric, keras.metrics.Metric):
        return metric.result()
    value, update = metric
    if isinstance(update, tf.Operation):
        with tf.control_dependencies([update]):
            return tf.identity(value)
    return update
