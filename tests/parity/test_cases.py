"""The table of cases covers what it says."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from tests.parity.cases import (
    CASES,
    IMPOSSIBLE,
    OPTIMIZERS,
    Case,
    layers_of,
    one_of_each_kind_of_layers,
)
from tests.parity.golden_files import FOLDER

STRINGS = {"Adagrad", "Adam", "Ftrl", "RMSProp", "SGD"}


def values(case: Case) -> dict[str, str]:
    """The row, with the kind of its optimizer."""
    row = dataclasses.asdict(case)
    kind = OPTIMIZERS.get(case.optimizer, (case.optimizer, {}))[0]
    return {**row, "optimizer": kind.lower()}


def pairs(row: dict[str, str]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    return itertools.combinations(row.items(), 2)


def test_every_value_meets_every_other_value() -> None:
    # `bags`, `derived` and three layers are extras: not crossed with everything.
    extras = {"bags", "derived", "[3,3,2]"}
    rows = [values(case) for case in CASES]
    levels = {column: {row[column] for row in rows} - extras for column in rows[0]}
    wanted = {
        ((one, left), (other, right))
        for one, other in itertools.combinations(levels, 2)
        for left in levels[one]
        for right in levels[other]
    }
    assert wanted - IMPOSSIBLE - {pair for row in rows for pair in pairs(row)} == set()


def test_there_are_forty_cases_at_least() -> None:
    assert len(CASES) >= 40


def test_every_optimizer_has_a_case() -> None:
    assert {case.optimizer for case in CASES} == STRINGS | OPTIMIZERS.keys()


def test_every_case_has_goldens_and_every_golden_a_case() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == set(names)


def test_without_native_operations_each_kind_of_layers_has_one_case() -> None:
    chosen = one_of_each_kind_of_layers()
    assert set(chosen) <= set(CASES)
    found = [layers_of(case) for case in chosen]
    assert len(set(found)) == len(found)
    assert set(found) == set(
        itertools.product(["simple_rnn", "lstm", "gru"], [False, True], ["last", "every"])
    )
