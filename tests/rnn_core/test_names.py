"""The words of arguments stand for something, each of them."""

from __future__ import annotations

from typing import get_args

from rnn_core.models import cells
from rnn_core.names import CellType, OptimizerName
from rnn_core.optimizers import optimizers


def test_every_cell_type_is_a_kind_of_cell() -> None:
    assert set(get_args(CellType)) == set(cells.KINDS)


def test_every_name_of_an_optimizer_is_a_kind() -> None:
    assert set(get_args(OptimizerName)) == set(optimizers.KINDS)


def test_state_is_named_by_the_class_of_the_optimizer() -> None:
    for kind in optimizers.KINDS.values():
        assert kind.rule.name == kind.keras_class.__name__
