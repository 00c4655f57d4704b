"""The stages as tasks: what is tried again, what is kept, and where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from prefect import Task, flow
from prefect.client.schemas.objects import State

from components.artifacts.storage import building
from components.artifacts.values import Examples
from components.config import DataConfig
from components.data.rows import find_rows
from components.errors import (
    DataError,
    NotFoundError,
    RegistryAwayError,
    RnnflowError,
    StorageError,
    UserError,
)
from components.runtime.fingerprints import ROOT
from pipelines import tasks
from pipelines.stages import AnyTask, Stage

pytestmark = pytest.mark.usefixtures("prefect_server")

ALL = (
    tasks.find_rows, tasks.write_examples, tasks.train_model, tasks.choose_threshold,
    tasks.measure_model,
    tasks.measure_baseline, tasks.find_incumbents, tasks.measure_champion,
    tasks.measure_reference, tasks.measure_slices, tasks.decide,
    tasks.export_model, tasks.register_model,
)  # fmt: skip


class Body:
    """A stage's function that counts its calls and raises the given errors first."""

    def __init__(self, *errors: Exception) -> None:
        self.calls = 0
        self._errors = list(errors)

    def __call__(self, rows: str, *, directory: Path) -> Examples:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        with building(directory) as partial:
            (partial / "shard").write_text(rows)
        return Examples(str(directory), rows)


def _as(stage: Stage, body: Callable[..., Examples]) -> AnyTask:
    """A stage's task with another body, and every option but the wait before a retry."""
    task = stage.task

    def function(rows: str, *, directory: Path) -> Examples:
        return body(rows, directory=directory)

    return Task(
        function,
        name=task.name,
        retries=task.retries,
        retry_delay_seconds=0,
        retry_condition_fn=task.retry_condition_fn,
        cache_policy=task.cache_policy,
        persist_result=task.persist_result,
        result_serializer=task.result_serializer,
    )


def _run(task: AnyTask, directory: Path, rows: str = "rows", times: int = 1) -> State[Any]:
    """Calls the task as a pipeline run does; ``directory`` is <artifacts>/<stage>/<fingerprint>."""
    states: list[State[Any]] = []

    @flow(persist_result=False)
    def one_stage() -> None:
        placed: Any = task.with_options(result_storage=directory.parents[1])
        states.extend(placed(rows, directory=directory, return_state=True) for _ in range(times))

    one_stage()
    return states[-1]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "artifacts" / "examples" / "0123456789abcdef"


@pytest.mark.parametrize("error", [DataError("no rows"), StorageError("the disk is full")])
def test_an_error_that_would_come_again_is_not_retried(
    directory: Path, error: RnnflowError
) -> None:
    body = Body(error)
    state = _run(_as(tasks.write_examples, body), directory)
    assert state.is_failed()
    assert state.result(raise_on_failure=False) is error
    assert body.calls == 1


def test_an_unexpected_error_is_retried_once(directory: Path) -> None:
    body = Body(OSError("gone for a moment"))
    assert _run(_as(tasks.write_examples, body), directory).is_completed()
    assert body.calls == 2
    stubborn = Body(*(OSError("gone for ever") for _ in range(5)))
    other = directory.with_name("f" * 16)
    assert _run(_as(tasks.write_examples, stubborn), other).is_failed()
    assert stubborn.calls == 2


def test_a_server_that_was_waited_for_in_vain_is_not_waited_for_again(directory: Path) -> None:
    body = Body(*(RegistryAwayError("away") for _ in range(5)))
    assert _run(_as(tasks.find_incumbents, body), directory).is_failed()
    assert body.calls == 1


def test_the_decision_is_never_made_twice() -> None:
    assert tasks.decide.task.retries == 0


def test_the_result_lies_in_the_artifact_directory_that_it_describes(directory: Path) -> None:
    body = Body()
    first = _run(_as(tasks.write_examples, body), directory)
    assert first.name == "Completed"
    assert {path.name for path in directory.iterdir()} == {"_SUCCESS", "shard", "result"}
    kept = json.loads((directory / "result").read_text())
    assert str(directory) in json.dumps(kept)
    again = _run(_as(tasks.write_examples, body), directory)
    assert again.name == "Cached"
    assert again.result() == first.result() == Examples(str(directory), "rows")
    assert body.calls == 1


def test_without_its_artifact_directory_a_stage_runs_again(directory: Path) -> None:
    body = Body()
    _run(_as(tasks.write_examples, body), directory)
    shutil.rmtree(directory)
    assert _run(_as(tasks.write_examples, body), directory).name == "Completed"
    assert body.calls == 2
    assert (directory / "shard").is_file()


def test_another_fingerprint_is_another_result(directory: Path) -> None:
    body = Body()
    _run(_as(tasks.write_examples, body), directory)
    other = _run(_as(tasks.write_examples, body), directory.with_name("f" * 16), rows="others")
    assert other.name == "Completed"
    assert other.result().digest == "others"


def test_a_failed_stage_leaves_no_result(directory: Path) -> None:
    body = Body(DataError("no rows"))
    _run(_as(tasks.write_examples, body), directory)
    assert not directory.exists()
    assert _run(_as(tasks.write_examples, body), directory).is_completed()


def test_what_looks_at_the_world_is_never_taken_from_a_cache(directory: Path) -> None:
    for stage in (tasks.find_incumbents, tasks.find_drift, tasks.register_model):
        body = Body()
        assert _run(_as(stage, body), directory, times=2).name == "Completed"
        assert body.calls == 2


def test_the_cached_stages_are_those_whose_code_counts() -> None:
    cached = {stage.name for stage in ALL if stage.task.persist_result}
    assert cached == {stage.name for stage in ALL if stage.code is not None}
    assert cached == {
        "examples", "model", "threshold", "metrics", "baseline", "champion_metrics",
        "reference_metrics",
        "slices", "export",
    }  # fmt: skip


def test_the_code_of_a_cached_stage_is_a_module() -> None:
    for stage in ALL:
        assert stage.code is None or (ROOT / f"{stage.code.replace('.', '/')}.py").is_file()


def test_workers_are_dismissed_by_the_training_alone() -> None:
    assert [stage.name for stage in ALL if stage.dismisses_workers] == ["model"]


@pytest.mark.parametrize("stage", ALL, ids=lambda stage: stage.name)
def test_every_stage_has_a_time_limit_and_no_tag_that_asks_prefect_for_a_slot(stage: Stage) -> None:
    task = stage.task
    assert not task.tags
    assert task.timeout_seconds is not None
    assert task.timeout_seconds > 0


def test_a_real_stage_returns_what_its_component_returns(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    data = DataConfig(train=str(tmp_path / "rows.jsonl"))
    absent = DataConfig(train=str(tmp_path / "absent.jsonl"))
    states: list[State[Any]] = []

    @flow(persist_result=False)
    def reading() -> None:
        # The first overload that fits a task of any function is that of a coroutine function.
        states.extend(
            cast("State[Any]", tasks.find_rows.task(each, return_state=True))
            for each in (data, absent)
        )

    reading()
    assert states[0].result() == find_rows(data)
    error = states[1].result(raise_on_failure=False)
    assert isinstance(error, NotFoundError)
    assert isinstance(error, UserError)
