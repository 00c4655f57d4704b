"""What has been tried so far and what to try next: an Optuna study on disk.

It has a database of its own: Optuna and MLflow both keep the version of their tables in one that is
called ``alembic_version``, so that neither could use a database of the other.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from pipelines.sweeps.space import Space, Values

BUCKETS: Final = 20
"""A training is compared with others at so many moments, each a part of the longest that it may be:
trials may differ in how many steps they have and how often they are evaluated."""
# A trial that is worse than the median of the others at the same moment is ended (Golovin and
# others, "Google Vizier", 2017), but not before a quarter of it, and not one of the first.
_WARM_UP_BUCKETS: Final = BUCKETS // 4
_WARM_UP_TRIALS: Final = 5
_REPEATS: Final = 50
"""So many suggestions in a row that were all tried before: there is nothing new."""

_NUMBER: Final = "number"
"""Of a trial that is trained, from 1 on. Optuna's own counts repeated suggestions, too."""
_REPEATS_TRIAL: Final = "repeats"
_REASON: Final = "reason"
"""Of a trial that failed. One that was interrupted counts as failed in the database, and has none.
"""


class Study:
    """The trials of a sweep.

    Args:
        database: an SQLite file.
        name: of the study; one that is there is continued.
        space: what varies.
        direction: of the metric.
        seed: of what is tried.
        most: how many trials there will be.
    """

    def __init__(
        self,
        database: Path,
        name: str,
        space: Space,
        direction: Literal["minimize", "maximize"],
        seed: int,
        most: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        # With the same seed a study that is continued would suggest the same again.
        storage = optuna.storages.RDBStorage(f"sqlite:///{database}")
        self._study = optuna.create_study(
            storage=storage, study_name=name, direction=direction, load_if_exists=True
        )
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(self._study.trials), multivariate=True
        )
        self._study.pruner = optuna.pruners.MedianPruner(_WARM_UP_TRIALS, _WARM_UP_BUCKETS)
        self._restart_interrupted()
        self._most = min(most, space.size)
        if space.size <= most:
            # Few enough to try them all, in an order that favours none.
            every = [dict(zip(space.distributions, values, strict=True)) for values in _grid(space)]
            random.Random(seed).shuffle(every)
            for values in every:
                self._study.enqueue_trial(values, skip_if_exists=True)

    def try_first(self, values: Values) -> None:
        """The next trial has these values, unless they were tried or are about to be."""
        if not self._study.trials:
            self._study.enqueue_trial(dict(values), skip_if_exists=True)

    @property
    def finished(self) -> list[FrozenTrial]:
        """The trials that have come to an end of their own, in order."""
        return [each for each in self._study.trials if each.state.is_finished() and _counts(each)]

    @property
    def ranked(self) -> list[FrozenTrial]:
        """Those that were trained to their end, the best and earliest first, then the others."""
        trials = self.finished
        complete = [each for each in trials if each.state == TrialState.COMPLETE]
        sign = 1 if self._study.direction == optuna.study.StudyDirection.MAXIMIZE else -1
        complete.sort(key=lambda each: (-sign * (each.value or 0.0), each.number))
        return [*complete, *(each for each in trials if each.state != TrialState.COMPLETE)]

    @property
    def best(self) -> FrozenTrial | None:
        """The first of ``ranked``; None if no trial was trained to its end."""
        first = next(iter(self.ranked), None)
        return first if first is not None and first.state == TrialState.COMPLETE else None

    def next_trial(self, running: int) -> optuna.Trial | None:
        """The next one; None if there is nothing more to try.

        Args:
            running: how many trials have not come to an end yet.
        """
        if len(self.finished) + running >= self._most:
            return None
        for _ in range(_REPEATS):
            trial = self._study.ask(self._space.distributions)
            earlier = self._equal(trial)
            if earlier is None:
                return trial
            # Told what is known already, so that it suggests something else.
            trial.set_user_attr(_REPEATS_TRIAL, earlier.number)
            if earlier.state == TrialState.COMPLETE:
                self._study.tell(trial, earlier.value)
            else:
                self._study.tell(trial, state=TrialState.FAIL)
        return None

    def number(self, trial: optuna.Trial) -> int:
        """Its number; one that goes on with what was interrupted has that one's."""
        known = trial.user_attrs.get(_NUMBER)
        if known is None:
            known = 1 + max(each.user_attrs.get(_NUMBER, 0) for each in self._study.trials)
            trial.set_user_attr(_NUMBER, known)
        return int(known)

    def complete(self, trial: optuna.Trial, value: float) -> None:
        """It was trained to its end."""
        self._study.tell(trial, value)

    def prune(self, trial: optuna.Trial) -> None:
        """It was ended before its time."""
        self._study.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: optuna.Trial, reason: str) -> None:
        """It has no model."""
        trial.set_user_attr(_REASON, reason)
        self._study.tell(trial, state=TrialState.FAIL)

    def importances(self) -> dict[str, float]:
        """How much of what the value depends on is due to each parameter, the largest first.

        PED-ANOVA (Watanabe and others, 2023), as Optuna computes it. Empty with too few trials, or
        if all have the same value.
        """
        complete = [each for each in self.finished if each.state == TrialState.COMPLETE]
        if len(complete) < 2 or len({each.value for each in complete}) < 2:
            return {}
        return optuna.importance.get_param_importances(self._study)

    def _equal(self, trial: optuna.Trial) -> FrozenTrial | None:
        """An earlier trial with the same values that is finished or running."""
        return next(
            (
                each
                for each in self._study.trials
                if each.number < trial.number
                and each.params == trial.params
                and each.state != TrialState.WAITING
                and _counts(each)
            ),
            None,
        )

    def _restart_interrupted(self) -> None:
        # Whoever calls holds the lock of the sweep: what runs by the database runs no more.
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
            self._study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)


def _counts(trial: FrozenTrial) -> bool:
    was_interrupted = trial.state == TrialState.FAIL and _REASON not in trial.user_attrs
    return not was_interrupted and _REPEATS_TRIAL not in trial.user_attrs


def reason_of(trial: FrozenTrial) -> str:
    """Why a trial has no model; empty if it has one."""
    return str(trial.user_attrs.get(_REASON, ""))


def number_of(trial: FrozenTrial) -> int:
    """The number of a trial that was trained."""
    return int(trial.user_attrs[_NUMBER])


def _grid(space: Space) -> Sequence[tuple[Any, ...]]:
    values: list[Sequence[Any]] = []
    for distribution in space.distributions.values():
        if isinstance(distribution, CategoricalDistribution):
            values.append(distribution.choices)
        else:
            assert isinstance(distribution, IntDistribution)
            values.append(range(distribution.low, distribution.high + 1))
    return list(itertools.product(*values))
