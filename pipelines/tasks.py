"""The stages as Prefect tasks: retries where one can help, time limits, tags, cached results.

A task's result is kept in the artifact directory that it describes, under the stage's fingerprint:
the two exist together or not at all. The stages are imported when they run, because a stage that
is reused needs no TensorFlow and no Beam.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext

from components.artifacts.values import (
    Champion,
    ChampionMetrics,
    Decision,
    Examples,
    Export,
    Metrics,
    Model,
    Rows,
    Version,
)
from components.config import (
    DataConfig,
    ExportConfig,
    LaunchConfig,
    ModelConfig,
    PreprocessingConfig,
    TrainingConfig,
)
from components.errors import RegistryError, RnnflowError
from components.features.config import FeaturesConfig
from components.gate_config import GateConfig
from components.runtime.libraries import load_tensorflow

AnyTask: TypeAlias = Task[Any, Any]

MODULES = {
    "examples": "components.data.examples",
    "model": "components.training.train",
    "metrics": "components.evaluation.measure",
    "champion_metrics": "components.evaluation.measure",
    "export": "components.export.export",
}
"""The cached stages, each with the module whose code counts."""

_HOUR_SECONDS = 3600


def _artifact_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    directory: Path = parameters["directory"]
    return f"{directory.parent.name}/{directory.name}/result"


def _retry_can_help(task: AnyTask, run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, RegistryError) or not isinstance(error, RnnflowError)


_CACHED: dict[str, Any] = {
    "cache_policy": CacheKeyFnPolicy(cache_key_fn=_artifact_key),
    "persist_result": True,
    "result_serializer": "json",
    "retry_condition_fn": _retry_can_help,
}
_UNCACHED: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retry_condition_fn": _retry_can_help,
}


@task(name="rows", tags=["data"], timeout_seconds=_HOUR_SECONDS, **_UNCACHED)
def read_rows(data: DataConfig) -> Rows:
    """Finds the files and the digest of what they hold."""
    from components.data import sources

    return sources.read_rows(data)


@task(
    name="examples",
    tags=["data", "beam"],
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=6 * _HOUR_SECONDS,
    **_CACHED,
)
def write_examples(
    rows: Rows,
    data: DataConfig,
    features: FeaturesConfig,
    preprocessing: PreprocessingConfig,
    *,
    directory: Path,
) -> Examples:
    """Validates, splits and transforms the rows with Beam."""
    load_tensorflow()
    from components.data import examples

    return examples.write_examples(rows, data, features, preprocessing, directory)


@task(
    name="model",
    tags=["tensorflow"],
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=72 * _HOUR_SECONDS,
    **_CACHED,
)
def train_model(
    examples: Examples,
    model: ModelConfig,
    training: TrainingConfig,
    seed: int,
    *,
    directory: Path,
    on_progress: Any,
    launch: LaunchConfig,
    chief: Any,
) -> Model:
    """Trains, and continues from the last checkpoint if an earlier try was cut short.

    More workers than one are processes, which this task starts, or calls on a cluster, and follows.
    """
    load_tensorflow()
    from components.training import train as stage

    return stage.train_model(
        examples, model, training, seed,
        directory=directory, on_progress=on_progress, launch=launch, chief=chief,
    )  # fmt: skip


@task(
    name="metrics",
    tags=["tensorflow"],
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=6 * _HOUR_SECONDS,
    **_CACHED,
)
def measure_model(model: Model, examples: Examples, *, directory: Path) -> Metrics:
    """Scores the test split, once, for the gate."""
    load_tensorflow()
    from components.evaluation import measure

    return measure.measure_model(model, examples, directory=directory)


@task(
    name="champion",
    tags=["mlflow"],
    retries=2,
    retry_delay_seconds=[1, 3],
    timeout_seconds=_HOUR_SECONDS,
    **_UNCACHED,
)
def find_champion(name: str, tracking_uri: str, *, directory: Path) -> Champion | None:
    """Looks up which version serves now, and fetches it."""
    from components.registry import registry

    return registry.find_champion(name, tracking_uri, directory)


@task(
    name="champion_metrics",
    tags=["tensorflow"],
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=6 * _HOUR_SECONDS,
    **_CACHED,
)
def measure_champion(
    champion: Champion | None,
    model: Model,
    examples: Examples,
    metrics: Metrics,
    *,
    directory: Path,
) -> ChampionMetrics | None:
    """Scores the champion on the very examples that the candidate was scored on."""
    if champion is None:
        return None
    load_tensorflow()
    from components.evaluation import measure

    return measure.measure_champion(champion, model, examples, metrics, directory=directory)


@task(name="decision", tags=["gate"], timeout_seconds=60, **_UNCACHED)
def decide(
    metrics: Metrics, champion_metrics: ChampionMetrics | None, gate: GateConfig
) -> Decision:
    """Applies the gate's rules to the metrics."""
    from components.evaluation import gate as stage

    return stage.decide(metrics, champion_metrics, gate)


@task(
    name="export",
    tags=["tensorflow"],
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=_HOUR_SECONDS,
    **_CACHED,
)
def export_model(
    model: Model, examples: Examples, metrics: Metrics, config: ExportConfig, *, directory: Path
) -> Export:
    """Writes the SavedModel and checks it in a fresh process."""
    load_tensorflow()
    from components.export import export
    from components.training import estimator

    return export.export_model(
        estimator.load_estimator(model), examples, metrics, config, model, directory
    )


@task(
    name="version",
    tags=["mlflow"],
    retries=2,
    retry_delay_seconds=[1, 3],
    timeout_seconds=_HOUR_SECONDS,
    **_UNCACHED,
)
def register_model(
    export: Export, decision: Decision, name: str, tracking_uri: str, *, run_id: str | None
) -> Version:
    """Registers the export; moves the alias ``champion`` if the gate says so."""
    from components.registry import registry

    return registry.register_model(
        export, decision, name=name, tracking_uri=tracking_uri, run_id=run_id
    )
