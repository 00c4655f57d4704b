"""What MLflow need not keep; whatever happened before, a rollback finds its version."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config import RetentionConfig
from components.registry.ledger import Action, Record, Standing, add_up
from components.registry.retention import (
    Excess,
    PastRun,
    PastVersion,
    find_excess,
    protected_versions,
)


def _record(number: int, action: Action, before: int | None, after: int | None) -> Record:
    return Record(action, before, after, "ann", "2026-01-01T00:00:00+00:00", "why", number)


def _runs(count: int) -> list[PastRun]:
    """One a day, newest first."""
    return [PastRun(f"m{age}", f"r{age}", float(age)) for age in range(count)]


def _excess(
    runs: list[PastRun],
    versions: list[PastVersion] | None = None,
    protected: frozenset[int] = frozenset(),
    kept: frozenset[str] = frozenset(),
    **limits: float | None,
) -> Excess:
    retention = RetentionConfig(**limits)  # type: ignore[arg-type]
    return find_excess(runs, versions or [], protected, kept, retention)


def test_the_last_runs_stay_and_all_of_the_last_days() -> None:
    assert _excess(_runs(5), keep_runs=2, keep_days=0).runs == tuple(_runs(5)[2:])
    assert _excess(_runs(5), keep_runs=2, keep_days=3).runs == tuple(_runs(5)[4:])
    assert _excess(_runs(5), keep_runs=None, keep_days=0).runs == ()


def test_a_run_that_goes_on_or_whose_directory_stays_is_kept() -> None:
    runs = _runs(4)
    runs[2] = dataclasses.replace(runs[2], ended=False)
    assert _excess(runs, kept=frozenset({"r3"}), keep_runs=1, keep_days=0).runs == (runs[1],)


def test_the_run_of_a_protected_version_stays_with_it() -> None:
    versions = [PastVersion(1, "m3"), PastVersion(2, "m2"), PastVersion(3, "m1", ours=False)]
    excess = _excess(_runs(4), versions, frozenset({1}), keep_runs=1, keep_days=0)
    assert [run.id for run in excess.runs] == ["m2"]
    assert excess.versions == (versions[1],)


def test_a_run_whose_files_another_refers_to_stays_as_long_as_the_other() -> None:
    def excess(*reuses: tuple[str, str]) -> list[str]:
        retention = RetentionConfig(keep_runs=2, keep_days=0)
        found = find_excess(_runs(6), [], frozenset(), frozenset(), retention, reuses)
        return [run.id for run in found.runs]

    assert excess() == ["m2", "m3", "m4", "m5"]
    # m1 is kept, and with it what it refers to, and what that refers to.
    assert excess(("m1", "m3"), ("m3", "m5")) == ["m2", "m4"]
    assert excess(("m2", "m4")) == ["m2", "m3", "m4", "m5"]
    assert excess(("of another work directory", "m4")) == ["m2", "m3", "m5"]


@pytest.mark.parametrize("action", ["gate", "promote", "rollback", "by hand"])
def test_every_version_that_a_record_names_is_protected(action: Action) -> None:
    void = _record(2, action, 7, 8)  # nobody was champion 7
    assert protected_versions([_record(1, "promote", None, 1), void], [4], [5]) == {1, 4, 5, 7, 8}


class _History:
    """A model's nights as MLflow would hold them."""

    def __init__(self) -> None:
        self.runs: list[PastRun] = []
        self.versions: dict[int, str] = {}
        self.records: list[Record] = []
        self.made = 0

    def standing(self) -> Standing:
        return add_up(self.records)

    def move(self, action: Action, version: int | None) -> None:
        before = self.standing().champion
        if before != version:
            self.records.append(_record(len(self.records) + 1, action, before, version))

    def night(self, promoted: bool) -> None:
        self.made += 1
        self.runs.insert(0, PastRun(f"m{self.made}", f"r{self.made}", 1.0))
        self.versions[self.made] = f"m{self.made}"
        if promoted:
            self.move("gate", self.made)

    def rollback(self) -> None:
        predecessors = self.standing().predecessors
        if predecessors:
            self.move("rollback", predecessors[-1])

    def retain(self, retention: RetentionConfig) -> None:
        champion = self.standing().champion
        aliases = [] if champion is None else [champion]
        protected = protected_versions(self.records, aliases, [])
        versions = [PastVersion(number, run) for number, run in self.versions.items()]
        excess = find_excess(self.runs, versions, protected, frozenset(), retention)
        self.runs = [run for run in self.runs if run not in excess.runs]
        for version in excess.versions:
            del self.versions[version.number]


@given(
    events=st.lists(
        st.sampled_from(["promoted", "refused", "rollback", "by hand", "clean"]), max_size=40
    ),
    choice=st.randoms(use_true_random=False),
    keep_runs=st.integers(1, 5),
)
def test_after_any_history_every_champion_and_its_ancestors_are_there(
    events: list[str], choice: random.Random, keep_runs: int
) -> None:
    history, retention = _History(), RetentionConfig(keep_runs=keep_runs, keep_days=0)
    for event in events:
        if event in ("promoted", "refused"):
            history.night(event == "promoted")
        elif event == "rollback":
            history.rollback()
        elif event == "by hand" and history.versions:
            history.move("promote", choice.choice(sorted(history.versions)))
        history.retain(retention)
        standing = history.standing()
        needed = {*standing.predecessors, *standing.rolled_back, standing.champion} - {None}
        assert needed <= history.versions.keys()
        # Each with the run that made it; and the rest levels off.
        assert {history.versions[each] for each in needed if each} <= {r.id for r in history.runs}
        named = {each for record in history.records for each in (record.before, record.after)}
        assert len(history.versions.keys() - named) <= keep_runs
        assert len(history.runs) <= keep_runs + len(named)
