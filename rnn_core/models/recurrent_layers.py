"""The recurrent layers of a network: built-in kinds on the fast path, or cells of the user.

Keras's own cells with nothing but their units set are built-in kinds too, so that
``keras.layers.StackedRNNCells`` of them costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models import cell_protocol, cells
from rnn_core.models.cell_protocol import Cell, UniqueNames, name_of
from rnn_core.models.cells import KINDS, CellKind
from rnn_core.models.custom_cells import CustomCellLayers, seeded
from rnn_core.models.layer_choice import run_layers
from rnn_core.models.own_cells.variables import NewVariables
from rnn_core.models.own_cells.wrappers import unwrapped

KERAS_CELLS: Final = {kind.keras_class: kind for kind in KINDS.values()}
"""The classes that are built-in kinds if they have their defaults."""

_STACK: Final = "stacked_rnn_cells"


class BuiltInCell(NamedTuple):
    """A layer of a built-in kind."""

    kind: CellKind
    units: int
    """H: the size of its hidden state."""


CellMaker: TypeAlias = Callable[[], Cell | Sequence[Cell]]
"""Makes a cell, a list of cells, or ``keras.layers.StackedRNNCells``; called once per model."""


class RecurrentLayers(Protocol):
    """Layers on top of each other, with their variables."""

    units: int
    """H of the last one."""
    written: Sequence[str]
    """The names of variables that a step of a cell writes, such as counters."""

    def __call__(
        self,
        values: tf.Tensor,
        mask: tf.Tensor,
        training_step: tf.Tensor | None,
        sequences: bool,
    ) -> tf.Tensor:
        """Outputs of all steps, float32 [B, T, H], or of the last one, [B, H].

        Args:
            values: float32 [B, T, F].
            mask: bool [B, T], true for a real step.
            training_step: the global step before this one in training, else None.
            sequences: whether all steps are wanted.
        """


class BuiltInLayers:
    """Layers of the built-in kinds."""

    written: Sequence[str] = ()

    def __init__(
        self, layers: Sequence[BuiltInCell], scopes: Sequence[str], width: int, store: VariableStore
    ) -> None:
        self._layers = []
        for (kind, units), scope in zip(layers, scopes, strict=True):
            weights = cells.create_weights(kind, scope, width, units, store.create)
            self._layers.append((kind, weights))
            width = units
        self.units = width

    def __call__(
        self,
        values: tf.Tensor,
        mask: tf.Tensor,
        training_step: tf.Tensor | None,
        sequences: bool,
    ) -> tf.Tensor:
        """Hidden states of the last layer; the same in training."""
        del training_step
        return run_layers(self._layers, values, mask, sequences)


def create_layers(
    wanted: Sequence[BuiltInCell] | CellMaker, fused: bool, width: int, store: VariableStore
) -> RecurrentLayers:
    """Makes the layers for inputs of F = ``width``.

    Args:
        wanted: the built-in layers, or what makes cells.
        fused: ``units`` was given as a number, which changes the names of the variables.
        width: F.
        store: keeps the variables.

    Raises:
        ArgumentError: a cell has not the protocol of cells.
    """
    if not callable(wanted):
        names = UniqueNames()
        scope = _scope(_STACK if len(wanted) > 1 else None)
        if fused:
            scope = f"rnn_model/{wanted[0].kind.name.removesuffix('_cell')}"
        scopes = [f"{scope}/{names(layer.kind.name)}" for layer in wanted]
        return BuiltInLayers(wanted, scopes, width, store)
    with tf.init_scope(), seeded(store.seed):
        new = NewVariables()
        with new.collecting():
            made, stack = _unstacked(wanted())
        # By identity: a cell that is there twice has one set of weights.
        built_in = {id(cell): _built_in(cell) for cell in made}
        known = [one for one in built_in.values() if one is not None]
        if len(known) < len(made):
            return CustomCellLayers(made, _scope(stack), width, store.adopt, new)
    names = UniqueNames()
    return BuiltInLayers(
        known, [f"{_scope(stack)}/{names(name_of(cell))}" for cell in made], width, store
    )


def _scope(stack: str | None) -> str:
    return f"rnn_model/rnn/{stack}" if stack else "rnn_model/rnn"


def _unstacked(made: Cell) -> tuple[list[Cell], str | None]:
    """The single cells, and the name of their stack if they are one."""
    stack = None
    if type(made) is keras.layers.StackedRNNCells:
        made, stack = made.cells, name_of(made)
    elif isinstance(made, (list, tuple)):
        stack = _STACK
    found = list(made) if stack else [made]
    if not found:
        raise ArgumentError("rnn_cell_fn: expected at least one cell, got an empty list.")
    for cell in found:
        cell_protocol.check_cell(cell)
    return [unwrapped(cell) for cell in found], stack


def _built_in(cell: Cell) -> BuiltInCell | None:
    """The built-in layer that ``cell`` is, if it is one of Keras's with nothing but units set."""
    kind = KERAS_CELLS.get(type(cell))
    if kind is None or cell.built or _settings(cell) != _settings(type(cell)(cell.units)):
        return None
    return BuiltInCell(kind, cell.units)


def _settings(cell: Cell) -> dict[str, Any]:
    return {k: v for k, v in cell.get_config().items() if k not in ("name", "seed")}
