"""What a recurrent network has beside its layers of cells."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

from rnn_core.errors import ArgumentError, ArgumentTypeError
from rnn_core.names import ContextPlace, PoolingName


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """What a recurrent network has beside its layers of cells; the defaults are 2.15's network.

    Raises:
        ArgumentError: a setting is not one that it can have.
    """

    context: ContextPlace = "steps"
    """Where the context features enter: ``steps`` repeats them beside the features of each step;
    ``head`` puts them behind the representation of the sequence, in front of the logits; ``both``
    does both. Hundreds of them belong into the head, where they cost no more than a product."""
    pooling: PoolingName = "last"
    """What represents a sequence of outputs, over its real steps: the ``last`` one, their ``mean``
    or ``max``, both of these side by side (``mean_max``), or their mean with learned weights
    (``attention``). A row without steps has zeros."""

    def __post_init__(self) -> None:
        _check_word("context", self.context, ContextPlace)
        _check_word("pooling", self.pooling, PoolingName)


def check_network(network: object) -> NetworkConfig:
    """The argument ``network`` of an estimator; None stands for the defaults.

    Raises:
        ArgumentTypeError: it is something else.
    """
    if network is None:
        return NetworkConfig()
    if not isinstance(network, NetworkConfig):
        raise ArgumentTypeError(f"network: expected a NetworkConfig or None, got {network!r}.")
    return network


def _check_word(field: str, value: object, words: Any) -> None:
    known = get_args(words)
    if value not in known:
        raise ArgumentError(
            f"NetworkConfig.{field}: expected one of {', '.join(known)}, got {value!r}."
        )
