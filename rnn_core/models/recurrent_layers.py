"""The recurrent layers of a network: built-in kinds on the fast path, or cells of the user.

Keras's own cells with nothing but their units set are built-in kinds too, so that
``keras.layers.StackedRNNCells`` of them costs nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models import cell_protocol, cells
from rnn_core.models.blocks.dropout import Dropout
from rnn_core.models.cell_protocol import Cell, UniqueNames, name_of
from rnn_core.models.cells import KINDS, CellKind
from rnn_core.models.custom_cells import CustomCellLayers, seeded
from rnn_core.models.layer_choice import run_layers
from rnn_core.models.own_cells.variables import NewVariables
from rnn_core.models.own_cells.wrappers import unwrapped
from rnn_core.names import LayerOutput

KERAS_CELLS: Final = {kind.keras_class: kind for kind in KINDS.values()}
"""The classes that are built-in kinds if they have their defaults."""

_LAYERS: Final = "rnn_model/rnn"
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
        output: LayerOutput,
    ) -> tf.Tensor:
        """Outputs of all steps, float32 [B, T, H], of the last one, [B, H], or over all of them.

        Args:
            values: float32 [B, T, F].
            mask: bool [B, T], true for a real step.
            training_step: the global step before this one in training, else None.
            output: what is wanted; ``blocks.pooling.pooled`` says what comes of all steps.
        """


class BuiltInLayers:
    """Layers of the built-in kinds.

    In training, ``recurrent_dropout`` of the weights between the states are dropped, the same for
    all steps of all rows: Merity et al. 2018, "Regularizing and Optimizing LSTM Language Models".
    So the native operations need not know of it.
    """

    written: Sequence[str] = ()

    def __init__(
        self,
        layers: Sequence[BuiltInCell],
        scopes: Sequence[str],
        width: int,
        store: VariableStore,
        recurrent_dropout: float = 0.0,
    ) -> None:
        self._layers = []
        self._dropouts = []
        for (kind, units), scope in zip(layers, scopes, strict=True):
            weights = cells.create_weights(kind, scope, width, units, store.create)
            self._layers.append((kind, weights))
            self._dropouts.append(Dropout(scope, recurrent_dropout, store.seed))
            width = units
        self.units = width

    def __call__(
        self,
        values: tf.Tensor,
        mask: tf.Tensor,
        training_step: tf.Tensor | None,
        output: LayerOutput,
    ) -> tf.Tensor:
        """Hidden states of the last layer."""
        layers = []
        for (kind, weights), dropout in zip(self._layers, self._dropouts, strict=True):
            kept = dropout(weights.recurrent_kernel, training_step)
            layers.append((kind, dataclasses.replace(weights, recurrent_kernel=kept)))
        return run_layers(layers, values, mask, output)


class LayerMaker:
    """Makes the layers of one direction, lowest first; inside of ``making``.

    Args:
        wanted: the built-in layers, or what makes cells.
        fused: ``units`` was given as a number, which changes the names of the variables.
        store: keeps the variables.
        recurrent_dropout: see ``BuiltInLayers``.
        direction: in the names of the variables, if there are two.

    Raises:
        ArgumentError: a cell has not the protocol of cells, or other cells than the built-in ones
            are to drop weights.
    """

    def __init__(
        self,
        wanted: Sequence[BuiltInCell] | CellMaker,
        fused: bool,
        store: VariableStore,
        recurrent_dropout: float = 0.0,
        direction: str | None = None,
    ) -> None:
        self._store, self._recurrent_dropout = store, recurrent_dropout
        self._new, self._names, self._adopted = NewVariables(), UniqueNames(), set[int]()
        if not callable(wanted):
            kind = f"rnn_model/{wanted[0].kind.name.removesuffix('_cell')}" if fused else _LAYERS
            stack = _STACK if len(wanted) > 1 and not fused else None
            known, named = list(wanted), [layer.kind.name for layer in wanted]
            self._cells: list[Cell] = []
        else:
            with self._new.collecting():
                self._cells, stack = _unstacked(wanted())
            # By identity: a cell that is there twice has one set of weights.
            built_in = {id(cell): _built_in(cell) for cell in self._cells}
            known = [one for one in built_in.values() if one is not None]
            kind, named = _LAYERS, [name_of(cell) for cell in self._cells]
        self.count = len(named)
        self._scope = "/".join(part for part in (kind, direction, stack) if part)
        self._built_in = known if len(known) == self.count else None
        if self._built_in is not None:
            self._scopes = [f"{self._scope}/{self._names(name)}" for name in named]
        elif recurrent_dropout:
            raise ArgumentError(
                "network: recurrent_dropout works with simple_rnn, lstm and gru only, got cells of "
                f"{', '.join(sorted({type(cell).__name__ for cell in self._cells}))}. Drop in the "
                "cells themselves: those of Keras take recurrent_dropout."
            )

    def together(self, width: int) -> RecurrentLayers:
        """All layers as one, for inputs of F = ``width``."""
        return self._some(slice(None), width)

    def one(self, index: int, width: int) -> RecurrentLayers:
        """One of the layers; they must be made in their order."""
        return self._some(slice(index, index + 1), width)

    def _some(self, some: slice, width: int) -> RecurrentLayers:
        store = self._store
        if self._built_in is not None:
            layers, scopes = self._built_in[some], self._scopes[some]
            return BuiltInLayers(layers, scopes, width, store, self._recurrent_dropout)
        return CustomCellLayers(
            self._cells[some],
            self._scope,
            width,
            store.adopt,
            self._new,
            self._names,
            self._adopted,
        )


@contextmanager
def making(wanted: Sequence[BuiltInCell] | CellMaker, store: VariableStore) -> Iterator[None]:
    """What makes cells is called inside: outside of any graph, and with the run's seed."""
    if not callable(wanted):
        yield
        return
    with tf.init_scope(), seeded(store.seed):
        yield


def create_layers(
    wanted: Sequence[BuiltInCell] | CellMaker,
    fused: bool,
    width: int,
    store: VariableStore,
    recurrent_dropout: float = 0.0,
) -> RecurrentLayers:
    """Makes the layers for inputs of F = ``width``; see ``LayerMaker``."""
    with making(wanted, store):
        return LayerMaker(wanted, fused, store, recurrent_dropout).together(width)


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
