"""Which combinations of an estimator's arguments are legal."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from numbers import Integral
from typing import Any

from rnn_core import callables
from rnn_core.checks import check_steps
from rnn_core.config.network_config import check_network
from rnn_core.config.run_config import USE_DEFAULT
from rnn_core.errors import ArgumentError
from rnn_core.features.columns import CONTEXT, SEQUENCE, sorted_columns
from rnn_core.models.cells import KINDS, CellKind
from rnn_core.models.network import NetworkSpec
from rnn_core.models.recurrent_layers import KERAS_CELLS, BuiltInCell, CellMaker


def network_spec(
    sequence_columns: Iterable[Any],
    context_columns: Iterable[Any] | None,
    units: Iterable[int] | int | None,
    cell_type: Any,
    rnn_cell_fn: Any,
    logits_dimension: int,
    sequence_mask: str,
    return_sequences: bool = False,
    network: Any = None,
) -> NetworkSpec:
    """The network that the arguments describe.

    Raises:
        ArgumentError: they are not legal together.
    """
    if not isinstance(sequence_mask, str):
        raise ArgumentError(f"sequence_mask: expected the name of a feature, got {sequence_mask!r}")
    sequence = sorted_columns(sequence_columns, SEQUENCE)
    if not sequence:
        raise ArgumentError("sequence_feature_columns: expected at least one column, got none.")
    context = sorted_columns(context_columns or (), CONTEXT)
    layers = _layers(units, cell_type, rnn_cell_fn)
    config = check_network(network)
    strides = [layer.stride for layer in config.front_end if layer.stride > 1]
    if return_sequences and strides:
        raise ArgumentError(
            "network: expected convolutions without a stride with return_sequences=True, where "
            f"each step is an output, got the stride {strides[0]}."
        )
    if return_sequences and config.pooling != "last":
        raise ArgumentError(
            f"network: expected no pooling with return_sequences=True, where each step is an "
            f"output, got pooling={config.pooling!r}."
        )
    if return_sequences and config.convolution_branch:
        raise ArgumentError(
            "network: expected no convolution_branch with return_sequences=True, where each step "
            f"is an output, got {len(config.convolution_branch)} convolutions."
        )
    # As in 2.15, a number of units with a named cell makes a whole layer, a list of them a stack of
    # cells; their variables have different names in a checkpoint.
    fused = not isinstance(units, Iterable) and units is not None and not inspect.isclass(cell_type)
    return NetworkSpec(
        sequence, context, layers, fused, logits_dimension, sequence_mask, return_sequences, config
    )


def _layers(units: Any, cell_type: Any, rnn_cell_fn: Any) -> tuple[BuiltInCell, ...] | CellMaker:
    if rnn_cell_fn is not None:
        if units is not None or cell_type is not USE_DEFAULT:
            raise ArgumentError(
                f"rnn_cell_fn: expected neither units nor cell_type beside it, got units={units!r} "
                f"and cell_type={cell_type!r}; drop them or rnn_cell_fn."
            )
        callables.check("rnn_cell_fn", rnn_cell_fn, ())
        made: CellMaker = rnn_cell_fn
        return made
    if units is None:
        raise ArgumentError(
            f"units: expected the hidden units of each layer, got None (cell_type={cell_type!r})."
        )
    counts = _unit_counts(units)
    kind: Any = _kind(cell_type)
    if isinstance(kind, CellKind):
        return tuple(BuiltInCell(kind, count) for count in counts)
    # Makers, not cells: each model (of training, evaluation, prediction) needs cells of its own.
    makers = [functools.partial(kind, units=count) for count in counts]
    return lambda: [make() for make in makers] if len(makers) > 1 else makers[0]()


def _kind(cell_type: Any) -> CellKind | CellMaker:
    if cell_type is USE_DEFAULT:
        return KINDS["simple_rnn"]
    if isinstance(cell_type, str) and cell_type in KINDS:
        return KINDS[cell_type]
    if not callable(cell_type):
        raise ArgumentError(
            f"cell_type: expected one of {', '.join(KINDS)}, or a class of cells, got "
            f"{cell_type!r}."
        )
    kind: CellKind | CellMaker = KERAS_CELLS.get(cell_type, cell_type)
    return kind


def _unit_counts(units: Any) -> tuple[int, ...]:
    counts = tuple(units) if isinstance(units, Iterable) else (units,)
    if not counts or not all(isinstance(count, Integral) and int(count) > 0 for count in counts):
        raise ArgumentError(
            f"units: expected positive whole numbers, one per layer, got {units!r}."
        )
    return tuple(int(count) for count in counts)


def check_lengths(steps: int | None, max_steps: int | None) -> tuple[int | None, int | None]:
    """The lengths that ``train`` and ``evaluate`` take, as whole numbers.

    Raises:
        ArgumentError: both are given, or one is not a positive whole number.
    """
    if steps is not None and max_steps is not None:
        raise ArgumentError(f"Expected one of steps={steps} and max_steps={max_steps}, got both.")
    return check_steps(steps, 1, "steps"), check_steps(max_steps, 1, "max_steps")
