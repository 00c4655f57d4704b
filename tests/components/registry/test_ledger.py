from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.artifacts.values import Evidence, Look, RowSet
from components.errors import RegistryError
from components.registry.ledger import (
    REASON_LENGTH,
    Action,
    Ledger,
    Record,
    add_up,
    as_text,
    described,
)
from components.tracking.client import connect

pytest_plugins = ["tests.components.mlflow_fixtures"]


def record(number: int, action: Action, before: int | None, after: int | None) -> Record:
    return Record(action, before, after, "ann@host", "2026-01-01T00:00:00+00:00", "why", number)


def test_an_empty_ledger_has_no_champion() -> None:
    standing = add_up([])
    assert (standing.champion, standing.predecessors) == (None, ())


def test_of_two_records_from_the_same_champion_the_first_counts() -> None:
    first = record(1, "promote", None, 1)
    won, lost = record(2, "gate", 1, 2), record(3, "gate", 1, 3)
    standing = add_up([first, won, lost])
    assert standing.champion == 2
    assert standing.counted == (first, won)


def test_a_rollback_leaves_the_champions_below_its_goal() -> None:
    standing = add_up(
        [
            record(1, "promote", None, 1),
            record(2, "gate", 1, 2),
            record(3, "gate", 2, 3),
            record(4, "rollback", 3, 2),
        ]
    )
    assert (standing.champion, standing.predecessors) == (2, (1,))
    assert standing.rolled_back == {3}


def test_a_move_by_hand_to_a_champion_of_before_is_a_rollback_and_any_other_is_not() -> None:
    begin = [record(1, "promote", None, 1), record(2, "gate", 1, 2)]
    assert add_up([*begin, record(3, "by hand", 2, 1)]).rolled_back == {2}
    assert add_up([*begin, record(3, "by hand", 2, None)]).rolled_back == {2}
    assert add_up([*begin, record(3, "by hand", 2, 3)]).rolled_back == frozenset()


_VERSIONS = st.one_of(st.none(), st.integers(1, 4))
_ACTIONS: tuple[Action, ...] = ("gate", "promote", "rollback", "by hand")
_RECORDS = st.lists(
    st.builds(record, st.just(0), st.sampled_from(_ACTIONS), _VERSIONS, _VERSIONS), max_size=30
)


@given(_RECORDS, st.booleans())
def test_whatever_is_written_the_records_that_count_form_a_chain(
    records: list[Record], connected: bool
) -> None:
    numbered: list[Record] = []
    for number, each in enumerate(records, start=1):
        before = add_up(numbered).champion if connected else each.before
        numbered.append(record(number, each.action, before, each.after))
    standing = add_up(numbered)
    ends = [None, *(each.after for each in standing.counted)]
    assert [each.before for each in standing.counted] == ends[:-1]
    assert standing.champion == ends[-1]
    # A rollback never leads to the champion itself, to one that was rolled back, or to one twice.
    assert standing.champion not in standing.predecessors
    assert not standing.rolled_back & set(standing.predecessors)
    assert len(set(standing.predecessors)) == len(standing.predecessors)


@given(st.text(min_size=REASON_LENGTH, max_size=REASON_LENGTH), st.text(max_size=300))
@example("\x01" * REASON_LENGTH, "a" * 300)
def test_a_record_fits_the_columns_of_mlflows_databases(why: str, who: str) -> None:
    written = Record("by hand", 1_000_000, 1_000_001, who, "2026-01-01T00:00:00+00:00", why)
    # Of a tag and of a description: String(5000) in mlflow.store.model_registry.dbmodels.
    assert max(len(as_text(written)), len(described(written))) <= 5000


def test_records_come_back_as_they_were_written(store: str, tmp_path: Path) -> None:
    client = connect(store)
    client.create_registered_model(tmp_path.name)
    ledger = Ledger(client, tmp_path.name)
    why = "a\0b 'größer' \"\\\" \N{PILE OF POO}" * 50
    first = ledger.append("promote", None, 1, why)
    second = ledger.append("by hand", 1, None, "")
    assert ledger.records() == [first, second]
    assert first.why == why.replace("\0", "\N{SYMBOL FOR NULL}")[:REASON_LENGTH]
    assert (first.number, second.number) == (1, 2)


def test_a_model_of_somebody_else_is_not_taken_for_a_ledger(store: str, tmp_path: Path) -> None:
    client, name = connect(store), tmp_path.name
    client.create_registered_model(f"{name}-ledger")
    client.create_model_version(f"{name}-ledger", source=str(tmp_path))
    with pytest.raises(RegistryError, match="holds versions of something else"):
        Ledger(client, name).records()


def test_the_gate_moves_the_reference_only_if_it_says_so_and_a_person_always_does() -> None:
    first = record(1, "gate", None, 1)
    second = dataclasses.replace(record(2, "gate", 1, 2), moves_reference=False)
    third = record(3, "gate", 2, 3)
    assert add_up([dataclasses.replace(first, moves_reference=False)]).reference == 1
    assert add_up([first, second]).reference == 1
    assert add_up([first, second, third]).reference == 3
    assert add_up([first, second, record(3, "promote", 2, 4)]).reference == 4
    back = add_up([first, second, third, record(4, "rollback", 3, 2)])
    assert (back.champion, back.reference) == (2, 2)
    dated = dataclasses.replace(first, when="2026-01-31T00:00:00+00:00")
    assert add_up([dated, second]).reference_since == dated.when


def test_a_record_of_an_older_release_says_nothing_of_the_reference_and_moves_it() -> None:
    fields = json.loads(as_text(record(1, "gate", None, 1)))
    del fields["moves_reference"]
    assert Record(**fields).moves_reference


def test_looks_are_kept_once_each_in_their_order(store: str, tmp_path: Path) -> None:
    ledger = Ledger(connect(store), tmp_path.name)
    assert ledger.looks() == ()
    rows = RowSet("rows", ("m1", "m2"))
    first = Look(rows, "one", (Evidence(3, 100, -1.5, 7.25),))
    for look in (first, Look(rows, "two"), first):
        ledger.append_look(look)
    kept = ledger.looks()
    assert [dataclasses.replace(each, when="") for each in kept] == [first, Look(rows, "two")]
    assert kept[0].when < kept[1].when
    assert ledger.records() == []
