"""What is tried next, what counts, and what is left of a sweep that was killed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna import Trial
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from pipelines.sweeps.space import Parameter, Space
from pipelines.sweeps.study import BUCKETS, Study, number_of, reason_of

ENDLESS = Space(
    (
        Parameter("model.cell_type", CategoricalDistribution(['"gru"', '"lstm"'])),
        Parameter("model.optimizer.learning_rate", FloatDistribution(1e-4, 1e-2, log=True)),
    )
)
FINITE = Space(
    (
        Parameter("model.cell_type", CategoricalDistribution(['"gru"', '"lstm"'])),
        Parameter("seed", IntDistribution(1, 3)),
    )
)

pytestmark = pytest.mark.slow  # each makes the tables of a database


@pytest.fixture
def study_of(tmp_path: Path) -> Callable[..., Study]:
    def make(space: Space = ENDLESS, most: int = 20) -> Study:
        return Study(tmp_path / "optuna.db", "name", space, "minimize", 7, most)

    return make


def _trained(study: Study, value: float) -> Trial:
    trial = study.next_trial(0)
    assert trial is not None
    study.number(trial)
    study.complete(trial, value)
    return trial


def test_it_ends_after_the_number_of_trials_whatever_became_of_them(
    study_of: Callable[..., Study],
) -> None:
    study = study_of(most=3)
    _trained(study, 0.5)
    second = study.next_trial(0)
    assert second is not None
    assert study.next_trial(1) is not None
    assert study.next_trial(2) is None
    study.fail(second, "the loss is not finite")
    assert [reason_of(each) for each in study.finished] == ["", "the loss is not finite"]


def test_the_best_is_the_best_of_those_that_came_to_their_end(
    study_of: Callable[..., Study],
) -> None:
    study = study_of()
    for value in (0.5, 0.2, 0.2, 0.4):
        _trained(study, value)
    pruned = study.next_trial(0)
    assert pruned is not None
    pruned.report(0.1, 0)
    study.prune(pruned)
    assert study.best is not None
    assert study.best.number == 1
    assert set(study.importances()) == set(ENDLESS.distributions)


def test_few_combinations_are_all_tried_and_each_once(study_of: Callable[..., Study]) -> None:
    study = study_of(FINITE)
    seen = []
    while (trial := study.next_trial(0)) is not None:
        seen.append((trial.params["model.cell_type"], trial.params["seed"]))
        study.complete(trial, 0.0)
    assert sorted(seen) == list(itertools.product(['"gru"', '"lstm"'], (1, 2, 3)))


def test_no_combination_is_trained_twice(study_of: Callable[..., Study]) -> None:
    study = study_of(FINITE, most=5)
    for value in (0.5, 0.4, 0.3, 0.2, 0.1):
        _trained(study, value)
    tried = [tuple(each.params.values()) for each in study.finished]
    assert len(set(tried)) == 5
    assert [number_of(each) for each in study.finished] == [1, 2, 3, 4, 5]
    assert study.next_trial(0) is None


def test_the_settings_of_the_config_come_first(study_of: Callable[..., Study]) -> None:
    study = study_of()
    values = {"model.cell_type": '"lstm"', "model.optimizer.learning_rate": 0.003}
    study.try_first(values)
    assert _trained(study, 0.5).params == values
    study.try_first({**values, "model.cell_type": '"gru"'})
    assert _trained(study, 0.5).params != {**values, "model.cell_type": '"gru"'}


def test_a_trial_that_was_interrupted_is_tried_again_under_its_number(
    study_of: Callable[..., Study],
) -> None:
    study = study_of(most=2)
    _trained(study, 0.5)
    interrupted = study.next_trial(0)
    assert interrupted is not None
    assert study.number(interrupted) == 2
    again = study_of(most=2)
    assert len(again.finished) == 1
    trial = again.next_trial(0)
    assert trial is not None
    assert trial.params == interrupted.params
    assert again.number(trial) == 2
    again.complete(trial, 0.4)
    assert [number_of(each) for each in again.finished] == [1, 2]
    assert again.next_trial(0) is None


def test_a_study_that_goes_on_suggests_something_else(study_of: Callable[..., Study]) -> None:
    first = _trained(study_of(), 0.5)
    assert _trained(study_of(), 0.5).params != first.params


def test_one_that_is_worse_than_most_is_to_be_ended_but_not_before_a_quarter(
    study_of: Callable[..., Study],
) -> None:
    study = study_of()
    for _ in range(5):
        trial = study.next_trial(0)
        assert trial is not None
        for bucket in range(BUCKETS):
            trial.report(0.5, bucket)
        study.complete(trial, 0.5)
    worse = study.next_trial(0)
    assert worse is not None
    ended = []
    for bucket in range(BUCKETS):
        worse.report(0.9, bucket)
        ended.append(worse.should_prune())
    assert ended.index(True) == BUCKETS // 4
    better = study.next_trial(1)
    assert better is not None
    better.report(0.4, BUCKETS // 2)
    assert not better.should_prune()


def test_without_a_difference_nothing_is_important(study_of: Callable[..., Study]) -> None:
    study = study_of()
    assert study.importances() == {}
    for _ in range(3):
        _trained(study, 0.5)
    assert study.importances() == {}
