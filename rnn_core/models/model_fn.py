"""A model given as a function: what it may take, and what it must return."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from rnn_core import callables
from rnn_core.config.run_config import RunConfig
from rnn_core.errors import ModelFnError
from rnn_core.models.estimator_spec import EstimatorSpec
from rnn_core.types import Features, Labels, TensorLike

ModelFn: TypeAlias = Callable[..., EstimatorSpec]
"""Takes ``features`` and, if it names them, ``labels``, ``mode``, ``params`` and ``config``."""

_ARGUMENTS: Final = ("features", "labels", "mode", "params", "config")


def check_model_fn(model_fn: ModelFn, params: Mapping[str, Any] | None) -> None:
    """Checks what ``model_fn`` takes.

    Raises:
        ModelFnError: it is not a function, takes no ``features`` or something unknown, or takes no
            ``params`` although some are given.
    """
    if callable(model_fn):
        names = [n for n in callables.arguments_of(model_fn).names if not n.startswith("_")]
        unknown = sorted(set(names) - set(_ARGUMENTS))
        if unknown:
            raise ModelFnError(
                f"model_fn: expected features and any of {', '.join(_ARGUMENTS[1:])} as arguments, "
                f"got {', '.join(sorted(names)) or 'none'}. Bind what else it needs with "
                "functools.partial, or put it into params."
            )
    arguments = callables.check("model_fn", model_fn, _ARGUMENTS, ("features",), ModelFnError)
    if not params or "params" in arguments.names:
        return
    if "params" in arguments.bound:
        raise ModelFnError(
            "model_fn: params are given to the Estimator and bound in the function; drop one."
        )
    raise ModelFnError("model_fn: params are given, but it has no argument of that name.")


def call_model_fn(
    model_fn: ModelFn,
    features: Features | TensorLike,
    labels: Labels,
    mode: str,
    params: Mapping[str, Any],
    config: RunConfig,
) -> EstimatorSpec:
    """Calls ``model_fn`` with those of the arguments that it takes.

    Raises:
        ModelFnError: there are labels and it takes none, or it returns no ``EstimatorSpec``.
    """
    arguments = callables.arguments_of(model_fn)
    if labels is not None and "labels" in arguments.bound:
        raise ModelFnError("model_fn: labels are bound in the function, but input_fn returns some.")
    if labels is not None and "labels" not in arguments.names:
        raise ModelFnError("model_fn takes no labels, but input_fn returns some.")
    offered = {"labels": labels, "mode": mode, "params": copy.deepcopy(params), "config": config}
    spec = callables.call(model_fn, {"features": features, **offered})
    if not isinstance(spec, EstimatorSpec):
        raise ModelFnError(f"model_fn: expected an EstimatorSpec as its result, got {spec!r}.")
    return spec
