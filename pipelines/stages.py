"""A stage of the flow: its Prefect task, and what a run does with what it made.

The result of a cached task is kept in the artifact directory that it describes, under the stage's
fingerprint: the two exist together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext

from components.errors import RnnflowError
from pipelines.config import PipelineConfig
from pipelines.stage_records import StageRecord

AnyTask: TypeAlias = Task[Any, Any]
OutcomeField: TypeAlias = Literal["metrics", "decision", "version"]
"""A field of ``Outcome`` that a stage fills."""


@dataclass(frozen=True)
class Stage:
    """All that a run needs to know of a stage; nothing else is decided by a stage's name."""

    task: AnyTask
    record: Callable[[Any, PipelineConfig], StageRecord]
    """Describes what it made, for the console and for MLflow."""
    code: str | None = None
    """The module whose code counts when its artifact is looked up; None if it always runs."""
    outcome: OutcomeField | None = None
    """The field of the run's outcome that holds what it made."""
    dismisses_workers: bool = False
    """Whether the other workers of a cluster may exit after it: no later stage needs them."""

    @property
    def name(self) -> str:
        """Names the task, its artifacts, its nested MLflow run and its line in the console."""
        return self.task.name


def stage(
    name: str,
    record: Callable[[Any, PipelineConfig], StageRecord],
    *,
    code: str | None = None,
    outcome: OutcomeField | None = None,
    dismisses_workers: bool = False,
    **options: Any,
) -> Callable[[Callable[..., Any]], Stage]:
    """Makes a function a stage.

    Args:
        name: see ``Stage``.
        record: see ``Stage``.
        code: see ``Stage``; a stage with it is cached, and its function takes a ``directory``.
        outcome: see ``Stage``.
        dismisses_workers: see ``Stage``.
        options: of the Prefect task: retries, a time limit.
    """
    caching = _CACHED if code else _UNCACHED

    def decorate(function: Callable[..., Any]) -> Stage:
        made = task(name=name, retry_condition_fn=_retry_can_help, **caching, **options)(function)
        return Stage(made, record, code, outcome, dismisses_workers)

    return decorate


def _artifact_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    # The storage is the folder of all artifacts, so the key is also the path of the file below it.
    directory: Path = parameters["directory"]
    return f"{directory.parent.name}/{directory.name}/result"


def _retry_can_help(task: AnyTask, run: TaskRun, state: State[Any]) -> bool:
    # Errors of our own say what is wrong with config, data or model, and would come again, or that
    # a server was waited for in vain. Any other may be the machine's, such as memory that ran out.
    return not isinstance(state.result(raise_on_failure=False), RnnflowError)


# JSON, because Prefect's default, pickle, would tie the result to the version of the code.
_CACHED: dict[str, Any] = {
    "cache_policy": CacheKeyFnPolicy(cache_key_fn=_artifact_key),
    "persist_result": True,
    "result_serializer": "json",
}
_UNCACHED: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}
