"""``add_metrics``: an estimator that also reports metrics of the user."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from rnn_core import callables
from rnn_core.config.run_config import RunConfig
from rnn_core.errors import ArgumentTypeError
from rnn_core.estimators.estimator import Estimator
from rnn_core.models.estimator_spec import EstimatorSpec, EvalMetric
from rnn_core.models.model import Model
from rnn_core.types import ModeKeys

_ARGUMENTS: Final = ("features", "labels", "predictions", "config")


def add_metrics(
    estimator: Estimator, metric_fn: Callable[..., Mapping[str, EvalMetric]]
) -> Estimator:
    """An estimator with the same model and ``model_dir``, whose evaluations report more metrics.

    Args:
        estimator: any estimator of this package; it stays as it is.
        metric_fn: called with what it names of ``features`` and ``labels`` (as ``input_fn`` gives
            them), ``predictions`` (those of the estimator, by name, [B, ...]) and ``config``;
            returns, by name, Keras metrics that were updated with the batch, or pairs (value,
            update operation). A metric of the estimator with the same name is replaced.

    Returns:
        The new estimator. It trains, predicts and exports as ``estimator`` does. Each of many
        workers evaluates the whole input, since only ``metric_fn`` knows its metrics.

    Raises:
        ArgumentTypeError: ``estimator`` is no estimator, or ``metric_fn`` takes something else.
    """
    if not isinstance(estimator, Estimator):
        raise ArgumentTypeError(f"estimator: expected an Estimator, got {estimator!r}.")
    arguments = callables.check("metric_fn", metric_fn, _ARGUMENTS)
    unknown = sorted({*arguments.names} - {*_ARGUMENTS})
    if unknown:
        raise ArgumentTypeError(
            f"metric_fn: expected a function of {', '.join(_ARGUMENTS)}, got one that also takes "
            f"{', '.join(unknown)}. Bind it with functools.partial, or make it keyword-only."
        )
    return _MeasuredEstimator(estimator, metric_fn)


class _MeasuredEstimator(Estimator):
    """The models of another estimator; that of an evaluation with more metrics."""

    def __init__(
        self, estimator: Estimator, metric_fn: Callable[..., Mapping[str, EvalMetric]]
    ) -> None:
        def model_fn(
            features: Any, labels: Any, mode: str, params: Any, config: RunConfig
        ) -> EstimatorSpec:
            # `estimator.model_fn` has those of the estimator bound.
            del params
            spec = estimator.model_fn(features, labels, mode, config)
            if mode != ModeKeys.EVAL:
                return spec
            values = (features, labels, spec.predictions, config)
            added = callables.call(metric_fn, dict(zip(_ARGUMENTS, values, strict=True)))
            metrics = {**(spec.eval_metric_ops or {}), **added}
            return dataclasses.replace(spec, eval_metric_ops=metrics)

        self._measured = estimator
        super().__init__(
            model_fn,
            estimator.model_dir,
            estimator.config,
            estimator.params,
            estimator.warm_start_settings,
        )

    def new_model(self, mode: str) -> Model:
        """The other estimator's model; for ``ModeKeys.EVAL`` one that also has the metrics."""
        # Only an evaluation needs the function: training and prediction keep the compiled network.
        is_evaluation = mode == ModeKeys.EVAL
        return super().new_model(mode) if is_evaluation else self._measured.new_model(mode)
