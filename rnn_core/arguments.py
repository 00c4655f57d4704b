"""Which combinations of an estimator's arguments are legal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rnn_core.cells import KINDS, CellKind
from rnn_core.config import USE_DEFAULT
from rnn_core.errors import ArgumentError, UnsupportedError
from rnn_core.columns import CONTEXT, SEQUENCE, sorted_columns
from rnn_core.network import NetworkSpec


def network_spec(
    sequence_columns: Iterable[Any],
    context_columns: Iterable[Any] | None,
    units: Iterable[int] | int | None,
    cell_type: Any,
    rnn_cell_fn: Any,
    logits_dimension: int,
    sequence_mask: str,
) -> NetworkSpec:
    """The network that the arguments describe.

    Raises:
        ArgumentError: they are not legal together.
        UnsupportedError: one is not supported yet.
    """
    sequence = sorted_columns(sequence_columns, SEQUENCE)
    if not sequence:
        raise ArgumentError("sequence_feature_columns: expected at least one column, got none.")
    context = sorted_columns(context_columns or (), CONTEXT)
    kind, layers = _layers(units, cell_type, rnn_cell_fn)
    fused = isinstance(units, int)
    return NetworkSpec(sequence, context, kind, layers, fused, logits_dimension, sequence_mask)


def _layers(units: Any, cell_type: Any, rnn_cell_fn: Any) -> tuple[CellKind, tuple[int, ...]]:
    if rnn_cell_fn is not None:
        if units is not None or cell_type is not USE_DEFAULT:
            raise ArgumentError(
                f"rnn_cell_fn: expected neither units nor cell_type beside it, got units={units!r} "
                f"and cell_type={cell_type!r}; drop them or rnn_cell_fn."
            )
        raise UnsupportedError("rnn_cell_fn is not supported yet; use units and cell_type.")
    if units is None:
        raise ArgumentError(
            f"units: expected the hidden units of each layer, got None (cell_type={cell_type!r})."
        )
    return _kind(cell_type), _unit_counts(units)


def _kind(cell_type: Any) -> CellKind:
    if cell_type is USE_DEFAULT:
        return KINDS["simple_rnn"]
    if not isinstance(cell_type, str):
        raise UnsupportedError(
            f"cell_type: cell classes are not supported yet, got {cell_type!r}; "
            f"use one of {', '.join(KINDS)}."
        )
    if cell_type not in KINDS:
        raise ArgumentError(f"cell_type: expected one of {', '.join(KINDS)}, got {cell_type!r}.")
    return KINDS[cell_type]


def _unit_counts(units: Any) -> tuple[int, ...]:
    counts = (units,) if isinstance(units, int) else tuple(units)
    if not counts or not all(isinstance(count, int) and count > 0 for count in counts):
        raise ArgumentError(f"units: expected positive whole numbers, one a layer, got {units!r}.")
    return counts


def check_steps(steps: int | None, max_steps: int | None) -> None:
    """Checks the lengths that ``train`` and ``evaluate`` take.

    Raises:
        ArgumentError: both are given, or one is not positive.
    """
    if steps is not None and max_steps is not None:
        raise ArgumentError(f"Expected one of steps={steps} and max_steps={max_steps}, got both.")
    for name, value in (("steps", steps), ("max_steps", max_steps)):
        if value is not None and value <= 0:
            raise ArgumentError(f"{name}: expected a positive number or None, got {value}.")
