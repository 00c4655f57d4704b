"""What a recurrent network has beside its layers of cells."""

from __future__ import annotations

import dataclasses
from numbers import Real
from typing import Any, Final, get_args

from rnn_core.checks import check_count
from rnn_core.errors import ArgumentError, ArgumentTypeError
from rnn_core.names import ContextPlace, PoolingName

_SHARES: Final = (
    "input_dropout",
    "layer_dropout",
    "output_dropout",
    "context_dropout",
    "recurrent_dropout",
)


@dataclasses.dataclass(frozen=True)
class ConvolutionLayer:
    """A convolution over the steps, with ReLU behind it.

    Raises:
        ArgumentError: a number is not a positive whole one, or the stride passes over steps.
    """

    filters: int
    """How many numbers it has for each step."""
    kernel_steps: int
    """How many steps of its input each of its own steps reads."""
    stride: int = 1
    """How many steps of the input lie between its own: N steps become ceil(N / stride)."""

    def __post_init__(self) -> None:
        for field in ("filters", "kernel_steps", "stride"):
            count = check_count(getattr(self, field), 1, f"ConvolutionLayer.{field}")
            object.__setattr__(self, field, count)
        if self.stride > self.kernel_steps:
            raise ArgumentError(
                f"ConvolutionLayer.stride: expected no more than kernel_steps={self.kernel_steps}, "
                f"as steps between would be read by nothing, got {self.stride}."
            )


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """What a recurrent network has beside its layers of cells; the defaults are 2.15's network.

    Raises:
        ArgumentError: a setting is not one that it can have.
    """

    context: ContextPlace = "steps"
    """Where the context features enter: ``steps`` repeats them beside the features of each step;
    ``head`` puts them behind the representation of the sequence, in front of the logits; ``both``
    does both. Hundreds of them belong into the head, where they cost no more than a product, and
    where their weights begin with zeros."""
    pooling: PoolingName = "last"
    """What represents a sequence of outputs, over its real steps: the ``last`` one, their ``mean``
    or ``max``, both of these side by side (``mean_max``), or their mean with learned weights
    (``attention``). A row without steps has zeros."""
    bidirectional: bool = False
    """Whether each layer also reads the steps from the last to the first, with weights of its own:
    its output for a step has H numbers of either direction. ``pooling="last"`` takes what each
    direction has last, as ``keras.layers.Bidirectional`` does."""
    input_dropout: float = 0.0
    """The share of the numbers of each step that training replaces by zeros, each for itself. All
    dropout is drawn from ``RunConfig.tf_random_seed`` and the global step: a resumed training draws
    what an uninterrupted one would have drawn."""
    layer_dropout: float = 0.0
    """The same, of the outputs between one recurrent layer and the next."""
    output_dropout: float = 0.0
    """The same, of the representation of the sequence, without the context."""
    context_dropout: float = 0.0
    """The same, of the context that enters the head."""
    recurrent_dropout: float = 0.0
    """The share of the weights between the states of one step and the next that training drops, the
    same for all steps and rows of a batch (Merity et al. 2018). Not for cells of one's own."""
    layer_normalization: bool = False
    """Whether the outputs of each recurrent layer are normalized over its units, step by step (Ba
    et al. 2016): behind both directions, in front of dropout and pooling. Those of a convolution
    are normalized in front of its ReLU."""
    front_end: tuple[ConvolutionLayer, ...] = ()
    """Convolutions over the steps below the recurrent layers. Those with a stride make long
    sequences short; a step of theirs is real if its first step is. What is padded counts as zero,
    however far it is padded."""
    convolution_branch: tuple[ConvolutionLayer, ...] = ()
    """Convolutions beside the recurrent layers, which read the same steps; the mean of the last
    one's over the real steps stands beside the representation, in front of ``output_dropout``. With
    (128, 8), (256, 5) and (128, 3) filters and steps it is LSTM-FCN (Karim et al. 2018), but each
    step is normalized over its filters, and not over the batch. So a row is the same in every
    batch, on any number of workers and when the model serves, and there is no state to keep."""
    hidden_units: tuple[int, ...] = ()
    """The units of dense layers with ReLU between the representation, with the context of the head
    beside it, and the logits."""

    def __post_init__(self) -> None:
        _check_word("context", self.context, ContextPlace)
        _check_word("pooling", self.pooling, PoolingName)
        for field in ("bidirectional", "layer_normalization"):
            _check_switch(field, getattr(self, field))
        for field in ("front_end", "convolution_branch"):
            layers = _sequence(field, getattr(self, field))
            if not all(isinstance(layer, ConvolutionLayer) for layer in layers):
                raise ArgumentTypeError(
                    f"NetworkConfig.{field}: expected a ConvolutionLayer each, got {layers!r}."
                )
            object.__setattr__(self, field, layers)
        units = _sequence("hidden_units", self.hidden_units)
        counts = tuple(check_count(one, 1, "NetworkConfig.hidden_units") for one in units)
        object.__setattr__(self, "hidden_units", counts)
        for field in _SHARES:
            object.__setattr__(self, field, _share(field, getattr(self, field)))


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


def _check_switch(field: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ArgumentError(f"NetworkConfig.{field}: expected True or False, got {value!r}.")


def _sequence(field: str, value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ArgumentTypeError(f"NetworkConfig.{field}: expected a tuple, got {value!r}.")
    return tuple(value)


def _share(field: str, value: object) -> float:
    if not isinstance(value, Real) or not 0 <= float(value) < 1:
        raise ArgumentError(
            f"NetworkConfig.{field}: expected a share from 0 to below 1, got {value!r}."
        )
    return float(value)
