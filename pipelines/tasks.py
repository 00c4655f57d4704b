"""The stages: retries where one can help, time limits, and whose code counts for the cache.

The components are imported when a stage runs, because a stage that is reused needs no TensorFlow
and no Beam.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from components.artifacts.drift import Drift
from components.artifacts.values import (
    BaselineMetrics,
    Champion,
    Comparison,
    Decision,
    Examples,
    Export,
    Incumbents,
    Metrics,
    Model,
    Past,
    Rows,
    Slices,
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
from components.errors import NotFoundError, RegistryError
from components.features.config import FeaturesConfig
from components.gate_config import GateConfig, SliceConfig
from components.metrics_config import MetricsConfig, ThresholdConfig
from components.runtime.libraries import load_tensorflow
from components.tracking.loading import load_client
from pipelines import stage_records
from pipelines.stages import stage

# A time limit ends what hangs, and is far above what slow work takes. A stage on TensorFlow is
# tried once more, because a process may be killed for its memory or lose its port.
# `stages._retry_can_help` says which errors are worth a retry. No stage has a tag: Prefect would
# ask its server for a slot of each tag before every stage, and a run must not need that server.
_HOUR_SECONDS = 3600


# Never cached: its digest of the content is what the caches of all later stages are found by.
@stage("rows", stage_records.record_rows, timeout_seconds=_HOUR_SECONDS)
def find_rows(data: DataConfig) -> Rows:
    """Finds the files and the digest of what they hold."""
    from components.data import rows

    return rows.find_rows(data)


@stage(
    "examples",
    stage_records.record_examples,
    code="components.data.examples",
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=6 * _HOUR_SECONDS,
)
def write_examples(
    rows: Rows,
    data: DataConfig,
    features: FeaturesConfig,
    preprocessing: PreprocessingConfig,
    *,
    directory: Path,
    on_progress: Any,
) -> Examples:
    """Validates, splits and transforms the rows with Beam."""
    load_tensorflow()  # before Beam
    from components.data import examples

    return examples.write_examples(rows, data, features, preprocessing, directory, on_progress)


# Never cached, as the champion is not. It is looked up here by itself: who serves at the end of the
# training counts for the gate, and rows that are no good are to stop the run before it.
@stage("drift", stage_records.record_drift, timeout_seconds=_HOUR_SECONDS)
def find_drift(
    examples: Examples,
    on_drift: Literal["warn", "error"],
    name: str,
    tracking_uri: str,
    *,
    directory: Path,
) -> Drift:
    """Compares the rows with those that the champion was trained on."""
    load_client()
    from components.drift import drift
    from components.registry import registry

    try:
        champion = registry.find_champion(name, tracking_uri, directory)
    except (RegistryError, NotFoundError) as error:
        # A server that is away must not keep a training from its start.
        return Drift(None, 0, 0, (), str(error))
    return drift.find_drift(champion, examples, on_drift)


@stage(
    "model",
    stage_records.record_model,
    code="components.training.train",
    dismisses_workers=True,
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=72 * _HOUR_SECONDS,
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

    More than one worker are processes, which this task starts on this machine or has the workers of
    a cluster start, and supervises.
    """
    from components.training import train

    return train.train_model(
        examples, model, training, seed,
        directory=directory, on_progress=on_progress, launch=launch, chief=chief,
    )  # fmt: skip


@stage(
    "threshold",
    stage_records.record_threshold,
    code="components.evaluation.threshold",
    timeout_seconds=600,
)
def choose_threshold(
    model: Model, config: ThresholdConfig, metrics: MetricsConfig, *, directory: Path
) -> Model:
    """Chooses from which probability on a label is answered, on the validation split."""
    from components.evaluation import threshold

    return threshold.choose_threshold(model, config, metrics, directory=directory)


@stage(
    "metrics",
    stage_records.record_metrics,
    code="components.evaluation.measure",
    outcome="metrics",
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=6 * _HOUR_SECONDS,
)
def measure_model(
    model: Model, examples: Examples, settings: MetricsConfig, *, directory: Path
) -> Metrics:
    """Scores the test split, once, for the gate."""
    from components.evaluation import measure

    return measure.measure_model(model, examples, settings, directory=directory)


@stage(
    "baseline",
    stage_records.record_baseline,
    code="components.baseline.baseline",
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=_HOUR_SECONDS,
)
def measure_baseline(examples: Examples, metrics: Metrics, *, directory: Path) -> BaselineMetrics:
    """Trains a cheap model on the same examples and scores it on the same test rows."""
    from components.baseline import baseline

    return baseline.measure_baseline(examples, metrics, directory=directory)


# Never cached: the champion may have changed since the last run.
@stage("champion", stage_records.record_champion, timeout_seconds=_HOUR_SECONDS)
def find_incumbents(
    name: str, tracking_uri: str, *, directory: Path, wait_seconds: float
) -> Incumbents:
    """Looks up which version serves now, and the reference, and fetches them."""
    load_client()
    from components.registry import registry
    from components.tracking.waiting import wait_for_mlflow

    def find() -> Incumbents:
        registry.complete_moves(name, tracking_uri)
        return registry.find_incumbents(name, tracking_uri, directory)

    return wait_for_mlflow(find, tracking_uri, wait_seconds)


@stage(
    "champion_metrics",
    stage_records.record_champion_metrics,
    code="components.evaluation.comparison",
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=6 * _HOUR_SECONDS,
)
def measure_champion(
    champion: Champion | None,
    model: Model,
    rows: Rows,
    examples: Examples,
    metrics: Metrics,
    *,
    directory: Path,
) -> Comparison | None:
    """Scores the champion on the very rows that the candidate was scored on."""
    return _score(champion, model, rows, examples, metrics, directory)


@stage(
    "reference_metrics",
    stage_records.record_reference_metrics,
    code="components.evaluation.comparison",
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=6 * _HOUR_SECONDS,
)
def measure_reference(
    reference: Champion | None,
    model: Model,
    rows: Rows,
    examples: Examples,
    metrics: Metrics,
    *,
    directory: Path,
) -> Comparison | None:
    """Scores the reference on the same rows, where it is another version than the champion."""
    return _score(reference, model, rows, examples, metrics, directory)


def _score(
    incumbent: Champion | None,
    model: Model,
    rows: Rows,
    examples: Examples,
    metrics: Metrics,
    directory: Path,
) -> Comparison | None:
    if incumbent is None:
        return None  # a result like any other: it is cached, and needs no TensorFlow
    from components.evaluation import comparison

    return comparison.measure_champion(
        incumbent, model, rows, examples, metrics, directory=directory
    )


@stage(
    "slices",
    stage_records.record_slices,
    code="components.slices.measure",
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=_HOUR_SECONDS,
)
def measure_slices(
    examples: Examples,
    metrics: Metrics,
    champion_metrics: Comparison | None,
    data: DataConfig,
    entries: Sequence[SliceConfig],
    *,
    directory: Path,
) -> Slices:
    """Measures the candidate and the champion on parts of the test rows."""
    from components.slices import measure

    return measure.measure_slices(
        examples, metrics, champion_metrics, data, entries, directory=directory
    )


@stage(
    "decision",
    stage_records.record_decision,
    outcome="decision",
    timeout_seconds=60,
)
def decide(
    metrics: Metrics,
    champion_metrics: Comparison | None,
    gate: GateConfig,
    baseline: BaselineMetrics | None,
    reference_metrics: Comparison | None,
    past: Past,
    slices: Slices | None,
) -> Decision:
    """Applies the gate's rules to the metrics."""
    from components.evaluation.gate import decide

    return decide(metrics, champion_metrics, gate, baseline, reference_metrics, past, slices)


@stage(
    "export",
    stage_records.record_export,
    code="components.export.export",
    retries=1,
    retry_delay_seconds=5,
    timeout_seconds=_HOUR_SECONDS,
)
def export_model(
    model: Model, examples: Examples, metrics: Metrics, config: ExportConfig, *, directory: Path
) -> Export:
    """Writes the SavedModel and checks it in a fresh process."""
    from components.export import export
    from components.training import estimator

    # The estimator is handed over, because no stage may import another one's package.
    return export.export_model(
        estimator.load_estimator(model), examples, metrics, config, model, directory
    )


# Never cached: it finds a version that exists already, and the alias may have moved since.
@stage(
    "version",
    stage_records.record_version,
    outcome="version",
    timeout_seconds=_HOUR_SECONDS,
)
def register_model(
    export: Export,
    decision: Decision,
    name: str,
    tracking_uri: str,
    *,
    find_run_id: Callable[[], str | None],
    wait_seconds: float,
) -> Version:
    """Registers the export; moves the alias ``champion`` if the gate says so."""
    from components.registry import registry
    from components.tracking.waiting import wait_for_mlflow

    def register() -> Version:
        # At each try: MLflow may have been away for so long that only now it has the run.
        return registry.register_model(
            export, decision, name=name, tracking_uri=tracking_uri, run_id=find_run_id()
        )

    return wait_for_mlflow(register, tracking_uri, wait_seconds)
