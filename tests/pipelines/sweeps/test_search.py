"""Trials that really train: their values, what becomes of a bad one, and of one without a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
import pytest
import yaml
from mlflow import MlflowClient
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from components.artifacts.values import Examples
from components.config import DataConfig
from components.errors import TrainingError
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.tracking.owner import Owner
from pipelines.console import make_console
from pipelines.sweeps.search import Search, result_of
from pipelines.sweeps.space import parse_space
from pipelines.sweeps.study import BUCKETS, number_of, reason_of
from tests.components.conftest import prepare

pytestmark = pytest.mark.slow
pytest_plugins = ["tests.components.mlflow_fixtures"]

RATE = "model.optimizer.learning_rate"
KEPT = ["history.jsonl", "job.json", "log.txt"]
"""Of each trial, whatever became of it: no checkpoints."""
MakeSearch = Callable[..., Search]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of rows that a small model tells apart."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [
        {"id": f"r{i}", "label": str(i % 2), "sequence": {"x": [i % 2 + 0.01 * i] * (1 + i % 3)}}
        for i in range(80)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def examples(rows: Path) -> Examples:
    features = FeaturesConfig({"x": NumericFeature(kind="numeric")})
    return prepare(DataConfig(train=str(rows)), features, rows.parent / "examples")


@pytest.fixture
def make_search(tmp_path: Path, rows: Path, examples: Examples, store: str) -> MakeSearch:
    """A sweep that is tracked in an experiment of its own."""
    config = tmp_path / "config.yaml"
    values = {
        "name": tmp_path.name,
        "data": {"train": str(rows)},
        "features": {"sequence": {"x": {"kind": "numeric"}}},
        "model": {"units": [4]},
        "training": {"batch_size": 16, "max_steps": 12, "evaluate_every_steps": 3},
    }
    config.write_text(yaml.safe_dump(values))

    def make(parameters: Sequence[str], trials: int, settings: Sequence[str] = ()) -> Search:
        space = parse_space(config, settings, parameters)
        return Search(
            config, settings, space, tmp_path / "sweep", trials, store,
            Owner("w", "host", "boot", "1:2"), lambda _: examples, make_console(),
        )  # fmt: skip

    return make


def test_each_trial_is_judged_at_the_checkpoint_that_would_be_its_model(
    make_search: MakeSearch, store: str
) -> None:
    search = make_search(["training.checkpoint=best,last"], trials=2)
    search.run(parallel=2)
    best, last = sorted(search.study.ranked, key=lambda each: "last" in each.params.values())
    steps, losses = search.curve(best)
    assert steps == [3, 6, 9, 12]
    assert best.value == min(losses)
    assert last.value == search.curve(last)[1][-1]
    # In MLflow each is a run of its own, with what varies and what came out.
    search.end("finished", search.study.ranked[0])
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name(search.config.name)
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"sweep sweep", "trial 1", "trial 2"}
    trial = runs[f"trial {number_of(last)}"]
    assert trial.data.params == {"training.checkpoint": '"last"'}
    assert trial.data.metrics["chosen/validation/average_loss"] == pytest.approx(last.value)
    assert trial.data.tags["mlflow.parentRunId"] == runs["sweep sweep"].info.run_id
    curve = client.get_metric_history(trial.info.run_id, "validation/average_loss")
    assert [point.step for point in curve] == [3, 6, 9, 12]
    assert runs["sweep sweep"].data.params["sweep.training.checkpoint"] == '"best", "last"'


def test_a_trial_that_is_worse_than_most_is_ended_early(
    make_search: MakeSearch, tmp_path: Path
) -> None:
    # Long enough to be ended in the middle.
    settings = ["training.max_steps=20000", "training.evaluate_every_steps=500"]
    search = make_search([f"{RATE}=0.0001..0.01"], trials=6, settings=settings)
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path}/optuna.db")
    for _ in range(5):
        good = optuna.create_trial(
            value=0.0,
            params={RATE: 0.005},
            distributions={RATE: FloatDistribution(0.0001, 0.01)},
            intermediate_values=dict.fromkeys(range(BUCKETS), 0.0),
            user_attrs={"number": 1},
        )
        study.add_trial(good)
    search.run(parallel=1)
    (ended,) = [each for each in search.study.ranked if each.state == TrialState.PRUNED]
    assert result_of(ended) == "pruned"
    assert search.study.best is not None
    assert search.study.best.number != ended.number
    steps, _ = search.curve(ended)
    assert 0 < steps[-1] < 20000
    assert sorted(path.name for path in (tmp_path / "sweep" / "0002").iterdir()) == KEPT


def test_if_the_first_trials_all_fail_the_sweep_says_why(
    make_search: MakeSearch, tmp_path: Path
) -> None:
    search = make_search([f"{RATE}=3.0e+38,3.1e+38,3.2e+38,3.3e+38"], trials=4)
    for _ in range(2):
        trial = search.study.next_trial(0)
        assert trial is not None
        search.study.number(trial)
        search.study.fail(trial, "no memory")
    with pytest.raises(TrainingError, match=r"the first 3 trials failed.*loss"):
        search.run(parallel=1)
    failed = search.study.ranked[-1]
    assert result_of(failed) == "failed"
    assert "loss" in reason_of(failed)
    assert sorted(path.name for path in (tmp_path / "sweep" / "0003").iterdir()) == KEPT
