"""A model given as a function: what it may take, and what it must return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

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
    if not callable(model_fn):
        raise ModelFnError(f"model_fn: expected a function, got {model_fn!r}.")
    accepted = set(_accepted(model_fn))
    unknown = sorted(accepted - set(_ARGUMENTS))
    if "features" not in accepted or unknown:
        raise ModelFnError(
            f"model_fn: expected features and any of {', '.join(_ARGUMENTS[1:])} as arguments, got "
            f"{', '.join(sorted(accepted)) or 'none'}."
        )
    if params and "params" not in accepted:
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
    accepted = _accepted(model_fn)
    if labels is not None and "labels" not in accepted:
        raise ModelFnError("model_fn takes no labels, but input_fn returns some.")
    offered = {"labels": labels, "mode": mode, "params": dict(params), "config": config}
    given = {name: value for name, value in offered.items() if name in accepted}
    spec = model_fn(features, **given)
    if not isinstance(spec, EstimatorSpec):
        raise ModelFnError(f"model_fn: expected an EstimatorSpec as its result, got {spec!r}.")
    return spec


def _accepted(model_fn: ModelFn) -> list[str]:
    return [
        name
        for name, parameter in inspect.signature(model_fn).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and not name.startswith("_")
    ]
