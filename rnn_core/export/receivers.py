"""What a receiver function returns: the tensors that a request feeds, and the features in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.types import Features, Labels, TensorLike

_ONLY_FEATURE: Final = "feature"
_ONLY_RECEIVER: Final = "input"
_ONLY_LABEL: Final = "label"


@dataclasses.dataclass(frozen=True, eq=False)
class ServingInputReceiver:
    """Features by name and the tensors that they are made from.

    Each tensor may be dense, sparse or ragged. One that is given alone gets the name ``feature`` or
    ``input``.

    Raises:
        ArgumentError: something is missing, is no tensor, or has a name that is not a string.
    """

    features: Features | TensorLike
    """Always a dict, once constructed."""
    receiver_tensors: Features | TensorLike
    """What a request feeds, by the name of the input; often one placeholder of serialized
    ``tf.train.Example``. Always a dict, once constructed."""
    receiver_tensors_alternatives: Mapping[str, Features | TensorLike] | None = None
    """More such dicts by name, each of which makes signatures ``name:signature``; tensors on the
    way from the receiver tensors to the features."""

    def __post_init__(self) -> None:
        features = _named(self.features, _ONLY_FEATURE, "features", (str, int))
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "receiver_tensors", _receivers(self.receiver_tensors))
        object.__setattr__(self, "receiver_tensors_alternatives", self._alternatives())

    def _alternatives(self) -> dict[str, dict[str, TensorLike]] | None:
        given = self.receiver_tensors_alternatives
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise ArgumentError(
                "receiver_tensors_alternatives: expected a dict from name to receiver tensors, got "
                f"{given!r}."
            )
        return {name: _receivers(tensors) for name, tensors in given.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class TensorServingInputReceiver(ServingInputReceiver):
    """As ``ServingInputReceiver`` for a model whose features are one tensor, not a dict.

    Raises:
        ArgumentError: ``features`` is no tensor, or as ``ServingInputReceiver``.
    """

    def __post_init__(self) -> None:
        _check_tensor(self.features, "features")
        only = self.features
        super().__post_init__()
        object.__setattr__(self, "features", only)


@dataclasses.dataclass(frozen=True, eq=False)
class SupervisedInputReceiver:
    """Features and labels, each a tensor or a dict, and the tensors that they are made from.

    Raises:
        ArgumentError: something is missing, is no tensor, or has a name that is not a string.
    """

    features: Features | TensorLike
    labels: Labels
    receiver_tensors: Features | TensorLike
    """Always a dict, once constructed."""

    def __post_init__(self) -> None:
        _named(self.features, _ONLY_FEATURE, "features", (str, int))
        _named(self.labels, _ONLY_LABEL, "labels", (str, int))
        object.__setattr__(self, "receiver_tensors", _receivers(self.receiver_tensors))


def _receivers(tensors: Features | TensorLike) -> dict[str, TensorLike]:
    return _named(tensors, _ONLY_RECEIVER, "receiver_tensors", (str,))


def _named(
    tensors: Features | TensorLike, only: str, what: str, name_types: tuple[type, ...]
) -> dict[str, TensorLike]:
    named = dict(tensors) if isinstance(tensors, Mapping) else {only: tensors}
    for name, tensor in named.items():
        if not isinstance(name, name_types):
            raise ArgumentError(f"{what}: expected strings as names, got {name!r}.")
        _check_tensor(tensor, what if tensors is tensor else f"{what}[{name!r}]")
    return named


def _check_tensor(value: object, what: str) -> None:
    if not tf.is_tensor(value):
        raise ArgumentError(
            f"{what}: expected a tensor, a sparse tensor or a ragged tensor, got {value!r}."
        )
