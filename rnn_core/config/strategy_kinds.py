"""The kinds of ``tf.distribute`` strategies that a training can use."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from rnn_core.errors import UnsupportedError


def is_in_step(strategy: Any) -> bool:
    """Whether ``strategy`` keeps all replicas at the same step."""
    return isinstance(strategy, tf.distribute.MirroredStrategy | _multi_worker())


def is_parameter_server(strategy: Any) -> bool:
    """Whether variables live on parameter servers, and workers do not wait for each other."""
    return isinstance(strategy, tf.distribute.ParameterServerStrategy)


def one_device(strategy: Any) -> str | None:
    """The device of a ``OneDeviceStrategy``; None for anything else."""
    if not isinstance(strategy, tf.distribute.OneDeviceStrategy):
        return None
    (device,) = strategy.extended.worker_devices
    return str(device)


def _is_default(strategy: Any) -> bool:
    """Whether it is what ``tf.distribute.get_strategy()`` gives outside of any strategy's scope."""
    # The class has no public name.
    return type(strategy).__name__.startswith("_DefaultDistributionStrategy")


def _multi_worker() -> type[Any]:
    kind: type[Any] = tf.distribute.MultiWorkerMirroredStrategy
    return kind


def check_strategy(strategy: Any, name: str) -> Any:
    """``strategy``, the value of ``name``.

    Raises:
        UnsupportedError: it is of a kind that is not supported.
    """
    if strategy is None or is_in_step(strategy) or is_parameter_server(strategy):
        return strategy
    if one_device(strategy) is not None or _is_default(strategy):
        return strategy
    raise UnsupportedError(
        f"{name}: expected None, tf.distribute.MirroredStrategy, MultiWorkerMirroredStrategy, "
        f"OneDeviceStrategy or ParameterServerStrategy, got {strategy!r}."
    )
