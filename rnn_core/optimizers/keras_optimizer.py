"""Any other Keras optimizer, which moves the variables itself.

Its state is saved as ``training/<Kind>/<variable>/<slot>`` and ``training/<Kind>/<name>``, with the
names of its attributes in Keras 3: only this package restores it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError, UnsupportedError
from rnn_core.optimizers.global_step import Rate, RateFunction, learning_rate
from rnn_core.optimizers.gradients import CLIP_SETTINGS, Gradient, clip, to_dense
from rnn_core.optimizers.rule_optimizer import warn_of_change


@dataclasses.dataclass(frozen=True)
class KerasSpec:
    """A kind of Keras optimizer, and its config without what clips gradients."""

    kind: type[keras.optimizers.Optimizer]
    config: Mapping[str, Any]
    clipping: Mapping[str, Any]
    """Nothing where gradients are added up: Keras clips their mean, which it alone sees."""
    undecayed: re.Pattern[str] | None = None
    """Found in the names of the variables that ``weight_decay`` leaves alone."""

    def make(self, trainable: Mapping[str, tf.Variable]) -> KerasOptimizer:
        """An optimizer of the variables.

        Raises:
            UnsupportedError: it has state without a name.
            ArgumentError: no variable has a name that is excluded from the decay of weights.
        """
        return KerasOptimizer(self, trainable)


def keras_spec(optimizer: keras.optimizers.Optimizer, step: tf.Variable | None = None) -> KerasSpec:
    """Reads a Keras optimizer, which itself is left as it is.

    Args:
        optimizer: the optimizer.
        step: what ``get_global_step()`` gave when it was made, if anything.

    Raises:
        ArgumentError: its config cannot be read.
        UnsupportedError: it has a setting that only the training loop of Keras honours.
    """
    kind = type(optimizer)
    rate = learning_rate(optimizer, step)
    try:
        config = dict(_with_readable_rate(optimizer, rate).get_config())
    except NotImplementedError as error:
        raise ArgumentError(
            f"optimizer {kind.__name__}: expected it and its learning-rate schedule to have "
            f"get_config(), so that each training can make one of its own; got: {error}"
        ) from None
    _refuse(optimizer, config)
    config["learning_rate"] = rate
    if not config.get("ema_overwrite_frequency"):
        # Then the averages are kept beside the weights, by `averages`.
        config.pop("use_ema", None)
    clipping = {}
    if not config.get("gradient_accumulation_steps"):
        clipping = {name: config.pop(name, None) for name in CLIP_SETTINGS}
    undecayed = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    return KerasSpec(kind, config, clipping, undecayed)


def _with_readable_rate(
    optimizer: keras.optimizers.Optimizer, rate: Rate
) -> keras.optimizers.Optimizer:
    """A copy whose ``get_config`` cannot fail for a learning rate in a graph or in a function."""
    if rate is optimizer._learning_rate:
        return optimizer
    # Not copy.copy, which serializes the learning rate too.
    copied: keras.optimizers.Optimizer = object.__new__(type(optimizer))
    readable = keras.Variable(rate, trainable=False) if isinstance(rate, float) else None
    vars(copied).update({**vars(optimizer), "_learning_rate": readable})
    return copied


def _refuse(optimizer: keras.optimizers.Optimizer, config: Mapping[str, Any]) -> None:
    for what, given, advice in (
        ("an inner optimizer", "inner_optimizer" in config, "give the inner one alone"),
        ("loss_scale_factor", bool(config.get("loss_scale_factor")), "train in float32 without it"),
        (
            "exclude_from_weight_decay(var_list)",
            bool(getattr(optimizer, "_exclude_from_weight_decay", None)),
            "give var_names, since each training makes variables of its own",
        ),
    ):
        if given:
            name = type(optimizer).__name__
            raise UnsupportedError(f"optimizer {name}: {what} is not supported; {advice}.")


class KerasOptimizer:
    """A Keras optimizer of its own for the variables.

    ``variables`` maps each name in a checkpoint to a part of its state.
    """

    def __init__(self, spec: KerasSpec, trainable: Mapping[str, tf.Variable]) -> None:
        self._spec = spec
        self._trainable = list(trainable.values())
        config = dict(spec.config)
        rate = config["learning_rate"]
        if isinstance(rate, RateFunction):
            config["learning_rate"] = lambda: rate.at(self._iterations.value)
        self._keras = spec.kind.from_config(config)
        self._iterations: keras.Variable = self._keras._iterations
        if spec.undecayed is not None:
            self._keras.exclude_from_weight_decay(_undecayed(spec.undecayed, trainable))
        self._keras.build(self._trainable)
        prefix = f"training/{spec.kind.__name__}"
        named = dict(_named_state(self._keras, list(trainable)))
        self.variables: dict[str, tf.Variable] = {
            f"{prefix}/{name}": variable.value
            for name, variable in named.items()
            if variable is not self._iterations
        }
        found = {id(variable) for variable in named.values()}
        if any(id(variable) not in found for variable in self._keras.variables):
            raise UnsupportedError(
                f"optimizer {spec.kind.__name__}: expected its state in attributes that are "
                "variables, or lists of one for each variable of the model; it cannot be saved."
            )

    def apply(self, gradients: Sequence[Gradient | None], step: tf.Tensor) -> None:
        """Clips and applies gradients, in the order of ``trainable``; rows become dense.

        Args:
            gradients: a tensor or ``tf.IndexedSlices`` for each variable, or None.
            step: int64, the number of steps before this one.
        """
        clipped = zip(clip(gradients, self._spec.clipping), self._trainable, strict=True)
        moved = [
            (to_dense(one, variable), variable) for one, variable in clipped if one is not None
        ]
        self._iterations.assign(step)
        self._keras.apply_gradients(moved)

    def warn_of_changes(self) -> None:
        """Logs the learning rate if a checkpoint brought another than that of the config."""
        configured = self._spec.config["learning_rate"]
        if isinstance(configured, float):
            warn_of_change("learning_rate", self._keras._learning_rate.value, configured)


def _undecayed(pattern: re.Pattern[str], trainable: Mapping[str, tf.Variable]) -> list[tf.Variable]:
    found = [variable for name, variable in trainable.items() if pattern.search(name)]
    if not found:
        raise ArgumentError(
            f"optimizer: exclude_from_weight_decay(var_names): expected parts of the names of "
            f"variables, got {pattern.pattern!r}; the variables: {', '.join(trainable)}."
        )
    return found


def _named_state(
    optimizer: keras.optimizers.Optimizer, names: Sequence[str]
) -> Iterator[tuple[str, keras.Variable]]:
    """Each variable of the optimizer with its name: an attribute, or one for each of ``names``."""
    for attribute, value in vars(optimizer).items():
        plain = attribute.lstrip("_")
        if isinstance(value, keras.Variable):
            yield plain, value
        elif isinstance(value, list) and len(value) == len(names):
            yield from (
                (f"{name}/{plain}", slot)
                for name, slot in zip(names, value, strict=True)
                if isinstance(slot, keras.Variable)
            )
