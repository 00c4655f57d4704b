"""Years of nights through the gate: how far the champion sinks, how soon it rises.

Every night brings a candidate of known true accuracy. Candidate, champion and reference are held
against test rows by the functions that the gate itself uses (`components.evaluation.evidence`); all
years of a setting are simulated at once, one entry of each array a year.

How models agree. A share (kappa) of the rows is easy or hard for all models alike: the better one
is right wherever the worse one is. On the others each new model is right by chance of its own. So
two models of accuracies a and b disagree on kappa |a - b| + (1 - kappa) (a (1 - b) + b (1 - a)).
The rows are new each night, or the same ones all year: then the champion keeps its luck with them.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.evaluation import evidence
from components.evaluation.evidence import NIGHTS, NIGHTS_A_YEAR, Sums
from components.gate_config import ChampionRule

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]
_GRID = 10_000
"""Accuracies are told apart to a hundredth of a point."""
_NEVER = 10**6
RULE = ChampionRule()
"""The default of the config."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What happens in a year; accuracies are shares, ``points`` are hundredths."""

    rows: int
    accuracy: float
    kappa: float = 0.6
    same_rows: bool = False
    decay_points: float = 0.0
    """The candidates get worse by so much a night."""
    step_points: float = 0.0
    """From the first night on they are better by so much, or worse."""
    noise: float = 0.0
    """The share of the test rows whose label is wrong."""
    drift_points: float = 0.0
    """The test rows get harder and easier for all models by so much, in a wave of a quarter."""
    nights: int = NIGHTS_A_YEAR

    def candidate(self, night: int) -> float:
        """The true accuracy of a night's candidate."""
        lost = (self.decay_points * night - self.step_points) / 100
        return min(max(self.accuracy - lost, 0.05), 0.999)

    def seen(self, accuracy: Floats, night: int) -> Floats:
        """The share of tonight's rows that a model gets right."""
        wave = self.drift_points / 100 * np.sin(2 * np.pi * night / (NIGHTS_A_YEAR / 4))
        shown: Floats = np.clip(accuracy + wave, 0.0, 1.0) * (1 - self.noise)
        return shown


@dataclasses.dataclass(frozen=True)
class Years:
    """What became of the champion."""

    lost_points: Floats
    """[Y]: by how much it is below the best that it ever was."""
    moves: Counts
    """[Y]"""
    first: Counts
    """[Y]: the night of the first move, from 1."""

    def kept(self, points: float) -> float:
        """The share of the years in which it is at most so far below."""
        return float(np.mean(self.lost_points <= points + 1e-9))


class _Rows:
    """Test rows, and which of them the champion and the reference get right.

    ``groups`` [Y, 2, 2] counts the rows on which models differ by chance: by whether the champion
    and the reference are right there.
    """

    def __init__(
        self, setting: Setting, champion: Floats, reference: Floats, one: NDArray[np.bool_],
        random: np.random.Generator,
    ) -> None:  # fmt: skip
        self._random, self._setting = random, setting
        years = len(champion)
        self._shared = random.binomial(setting.rows, setting.kappa, years)
        free = setting.rows - self._shared
        right = random.binomial(free, champion)
        both = np.where(one, right, random.binomial(right, reference))
        wrong = np.where(one, 0, random.binomial(free - right, reference))
        self.groups = np.stack(
            [np.stack([free - right - wrong, wrong], 1), np.stack([right - both, both], 1)], 1
        )
        if setting.same_rows:
            # How many of the shared rows are easier than each accuracy.
            counted = [np.bincount(random.integers(0, _GRID, k), minlength=_GRID)
                       for k in self._shared]  # fmt: skip
            self._easier = np.concatenate(
                [np.zeros((years, 1), np.int64), np.cumsum(counted, axis=1)], axis=1
            )

    def answer(self, candidate: Floats) -> Counts:
        """[Y, 2, 2]: of each group, how many the candidate gets right."""
        return self._random.binomial(self.groups, candidate[:, None, None])

    def ahead(self, candidate: Floats, other: Floats) -> Counts:
        """On how many more of the shared rows the candidate is right."""
        if not self._setting.same_rows:
            gap = candidate - other
            ahead: Counts = np.sign(gap).astype(np.int64) * self._random.binomial(
                self._shared, np.abs(gap)
            )
            return ahead
        years = np.arange(len(candidate))
        ours, theirs = (np.round(each * _GRID).astype(np.int64) for each in (candidate, other))
        found: Counts = self._easier[years, ours] - self._easier[years, theirs]
        return found

    def compared(self, answered: Counts, axis: int, shared: Counts) -> Sums:
        """The candidate beside the champion (axis 1) or the reference (axis 2)."""
        missed = self.groups - answered
        ours = np.take(answered, 0, axis).sum(1)
        theirs = np.take(missed, 1, axis).sum(1)
        rows = np.full(len(ours), float(self._setting.rows))
        return Sums(rows, ours - theirs + shared * 1.0, ours + theirs + np.abs(shared) * 1.0)

    def promote(
        self, answered: Counts, moves: NDArray[np.bool_], reference_too: NDArray[np.bool_]
    ) -> None:
        """The candidate becomes the champion, and where it says so the reference."""
        right, missed = answered.sum(1), (self.groups - answered).sum(1)
        self.groups = np.where(moves[:, None, None], np.stack([missed, right], 1), self.groups)
        one = self.groups.sum(2)
        zero = np.zeros_like(one[:, 0])
        alike = np.stack([np.stack([one[:, 0], zero], 1), np.stack([zero, one[:, 1]], 1)], 1)
        self.groups = np.where(reference_too[:, None, None], alike, self.groups)


def simulate(
    setting: Setting,
    years: int,
    rule: ChampionRule = RULE,
    seed: int = 1,
) -> Years:
    """Many years of one setting."""
    random, asked = np.random.default_rng(seed), evidence.levels(rule)
    champion = np.full(years, setting.accuracy)
    reference, best = champion.copy(), champion.copy()
    one = np.ones(years, bool)
    moves, first = np.zeros(years, np.int64), np.full(years, _NEVER)
    since = np.zeros(years, np.int64)
    before: list[tuple[Sums, Sums]] = []
    rows: _Rows | None = None
    for night in range(setting.nights):
        candidate = np.full(years, setting.candidate(night))
        ours, theirs, best_known = (
            setting.seen(each, night) for each in (candidate, champion, reference)
        )
        if rows is None or not setting.same_rows:
            rows = _Rows(setting, theirs, best_known, one, random)
        answered = rows.answer(ours)
        shared = rows.ahead(ours, theirs)
        against_champion = rows.compared(answered, 1, shared)
        shared = np.where(one, shared, rows.ahead(ours, best_known))
        against_reference = rows.compared(answered, 2, shared)
        # On the same rows again nothing is gained, as in `evidence.nights_before`.
        past = [] if setting.same_rows else before
        verdict = evidence.judge(
            (against_champion, _together(against_champion, (each[0] for each in past))),
            (against_reference, _together(against_reference, (each[1] for each in past))),
            asked,
        )
        days = rule.promote_when_older_than_days
        promoted = verdict.promotes(night - since > days if days else np.zeros(years, bool))
        proven = promoted & verdict.better_than_reference
        rows.promote(answered, promoted, proven)
        champion = np.where(promoted, candidate, champion)
        reference = np.where(proven, candidate, reference)
        one = np.where(promoted, proven, one)
        best = np.maximum(best, champion)
        moves += promoted
        since = np.where(promoted, night, since)
        first = np.where(promoted & (first == _NEVER), night + 1, first)
        # Of another champion than tonight's nothing is known of the nights before.
        before = [
            (_without(beside, promoted), _without(other, proven))
            for beside, other in [*before, (against_champion, against_reference)]
        ][1 - NIGHTS :]
    return Years(100 * (best - champion), moves, first)


def _together(tonight: Sums, before: Iterable[Sums]) -> Sums:
    for each in before:
        tonight = tonight.plus(each)
    return tonight


def _without(sums: Sums, forgotten: NDArray[np.bool_]) -> Sums:
    return Sums(*(np.where(forgotten, 0.0, each) for each in sums))


def worn_down(rows: int, accuracy: float, kappa: float, same: bool) -> list[Setting]:
    """Years that could wear a gate down."""
    base = Setting(rows, accuracy, kappa, same)
    changes: list[dict[str, float]] = [
        {},
        *({"decay_points": each} for each in (0.005, 0.02, 0.05, 0.1)),
        *({"step_points": -each} for each in (1.6, 5.0)),
        {"decay_points": 0.05, "step_points": 2.0},
        {"decay_points": 0.02, "noise": 0.1},
    ]
    if not same:
        changes.append({"decay_points": 0.02, "drift_points": 2.0})
    return [dataclasses.replace(base, **each) for each in changes]  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Grid:
    """What the tables are about."""

    rows: Sequence[int] = (200, 2_000, 10_000)
    accuracies: Sequence[float] = (0.6, 0.8, 0.95, 0.99)
    kappas: Sequence[float] = (0.3, 0.6, 0.9)
    years: int = 300


GAINS = (0.5, 1.0, 2.0, 5.0)
_MOST_ACCURATE = 0.94
"""From which there is room for 5 points."""
_NIGHTLY = {False: "new ones", True: "the same"}


def print_years(grid: Grid) -> None:
    """Prints what is left of the champion after a year."""
    print(
        "| test rows | each night | years | kept | kept in the worst setting | moves a year, equal "
        "candidates | in the worst setting |\n|---|---|---|---|---|---|---|"
    )
    for rows, same in itertools.product(grid.rows, (False, True)):
        made = [
            (setting, simulate(setting, grid.years))
            for accuracy, kappa in itertools.product(grid.accuracies, grid.kappas)
            for setting in worn_down(rows, accuracy, kappa, same)
        ]
        kept = [100 * each.kept(RULE.margin_points + 0.5) for _, each in made]
        equal = [
            each.moves.mean()
            for setting, each in made
            if not (setting.decay_points or setting.step_points)
        ]
        print(
            f"| {rows:,} | {_NIGHTLY[same]} | {len(made) * grid.years:,} | {np.mean(kept):.2f} % | "
            f"{min(kept):.1f} % | {np.mean(equal):.1f} | {max(equal):.1f} |",
            flush=True,
        )


def print_gains(grid: Grid) -> None:
    """Prints the median night of the first promotion, for each kappa."""
    gains = " | ".join(f"+{each:g} points" for each in GAINS)
    print(f"| test rows | each night | accuracy | {gains} |\n|---|---|---|---|---|---|---|")
    accuracies = sorted({min(each, _MOST_ACCURATE) for each in grid.accuracies})
    for same, rows, accuracy in itertools.product((False, True), grid.rows, accuracies):
        cells = [
            ", ".join(
                _night(
                    Setting(rows, accuracy, kappa, same, step_points=gain, nights=60), grid.years
                )
                for kappa in grid.kappas
            )
            for gain in GAINS
        ]
        print(f"| {rows:,} | {_NIGHTLY[same]} | {accuracy} | {' | '.join(cells)} |", flush=True)


def _night(setting: Setting, years: int) -> str:
    night = float(np.median(simulate(setting, years).first))
    return "-" if night > setting.nights else f"{night:g}"


def run(grid: Grid = Grid()) -> None:
    """Prints the tables of docs/gate.md."""
    print(f"\n{grid.years} years of each setting\n")
    print_years(grid)
    print(f"\nkappa {', '.join(map(str, grid.kappas))}; -: not within 60 nights\n")
    print_gains(grid)
