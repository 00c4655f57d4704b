"""The summary line and the MLflow record of each stage, read from the value that it returned.

A reused stage returns the same value and leaves the same files, so it is tracked as a fresh one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.artifacts.history import HISTORY
from components.artifacts.schema import SCHEMA
from components.artifacts.values import (
    Champion,
    ChampionMetrics,
    Decision,
    Examples,
    Export,
    Interval,
    Metrics,
    Model,
    Rows,
    Version,
)
from components.data.statistics import DEAD_LETTERS, STATISTICS, read_statistics
from components.metrics import METRICS
from pipelines.config import PipelineConfig, flatten


@dataclass(frozen=True)
class StageRecord:
    """What a stage's nested MLflow run holds."""

    summary: str
    """One line for a person."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Logged at step 0."""
    history: Path | None = None
    """Metrics against the global step."""
    artifacts: tuple[Path, ...] = ()
    dataset: Rows | None = None
    """Shown as the inputs of the pipeline's run."""


def interval_text(interval: Interval) -> str:
    """``0.978 [0.958, 0.989]``."""
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def metric_values(metrics: Metrics) -> dict[str, float]:
    """Every number of the test split by name, the ends of the intervals included."""
    values: dict[str, float] = {"test/examples": metrics.examples}
    for key, interval in metrics.overall.items():
        values |= _interval_values(METRICS[key].mlflow_key, interval)
    for one in metrics.per_class:
        values |= _interval_values(f"test/recall/{one.label}", one.recall)
        values |= _interval_values(f"test/precision/{one.label}", one.precision)
        values[f"test/support/{one.label}"] = one.support
    return values


def _interval_values(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}/low": interval.low, f"{name}/high": interval.high}


def record_rows(value: Rows, config: PipelineConfig) -> StageRecord:
    """The files, their size and digest."""
    size = sum(file.size_bytes for file in value.files) / 1e6
    files = f"{len(value.files)} file{'' if len(value.files) == 1 else 's'}"
    summary = f"{files}, {size:.1f} MB, digest {value.digest[:12]}"
    parameters = {"data.digest": value.digest, **flatten(config.data, "data")}
    return StageRecord(summary, parameters, dataset=value)


def record_examples(value: Examples, config: PipelineConfig) -> StageRecord:
    """How many rows each split has, and how many could not be used."""
    directory = Path(value.path)
    statistics = read_statistics(directory)
    counts = statistics["rows"]
    summary = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    invalid = statistics["bad_rows"]["count"]
    parameters = flatten(config.features, "features") | flatten(
        config.preprocessing, "preprocessing"
    )
    metrics = {f"examples/{split}": float(count) for split, count in counts.items()}
    files = (STATISTICS, DEAD_LETTERS, SCHEMA, "transform")
    # Only what was found: it is news.
    kinds = {"missing_values": "missing values", "equal_as_float32": "numbers equal as float32"}
    found = "".join(
        f"; {count:,} {words} in {name}"
        for key, words in kinds.items()
        for name, count in sorted(statistics.get(key, {}).items())
        if count
    )
    return StageRecord(
        f"{summary}; {invalid:,} invalid rows{found}",
        parameters,
        {**metrics, "examples/bad_rows": float(invalid)},
        artifacts=tuple(directory / name for name in files),
    )


def record_model(value: Model, config: PipelineConfig) -> StageRecord:
    """The best checkpoint, the learning curve, the workers' logs."""
    directory = Path(value.path)
    units = ", ".join(str(count) for count in config.model.units)
    parameters = flatten(config.model, "model") | flatten(config.training, "training")
    checkpoints = directory / "checkpoints"
    events = sorted(checkpoints.rglob("events.out.tfevents.*"))
    best = sorted(Path(value.checkpoint).parent.glob(f"{Path(value.checkpoint).name}.*"))
    return StageRecord(
        f"{config.model.cell_type} [{units}], best checkpoint at step {value.step:,}",
        {**parameters, "seed": config.seed},
        {"best_step": float(value.step)},
        history=directory / HISTORY,
        artifacts=(directory / HISTORY, *events, *best, *worker_logs(directory)),
    )


def worker_logs(directory: Path) -> list[Path]:
    """The logs of the training workers in the directory of a model."""
    return sorted(directory.glob("logs/worker-*.log"))


def record_metrics(value: Metrics, config: PipelineConfig) -> StageRecord:
    """Every metric of the test split, with its figures."""
    directory = Path(value.predictions_path).parent
    named = ", ".join(
        f"{METRICS[key].short_label} {interval_text(interval)}"
        for key, interval in value.overall.items()
        if METRICS[key].in_stage_line
    )
    suffixes = {".json", ".csv", ".png", ".parquet"}
    return StageRecord(
        f"{named} on {value.examples:,} test rows",
        metrics=metric_values(value),
        artifacts=tuple(sorted(path for path in directory.iterdir() if path.suffix in suffixes)),
    )


def record_champion(value: Champion | None, config: PipelineConfig) -> StageRecord:
    """Which version serves."""
    if value is None:
        return StageRecord(f"{config.name} has no champion yet", {"champion.version": "none"})
    return StageRecord(f"version {value.version} serves now", {"champion.version": value.version})


def record_champion_metrics(value: ChampionMetrics | None, config: PipelineConfig) -> StageRecord:
    """The champion's metrics, and the rows that only one of the two models gets right."""
    if value is None:
        return StageRecord("nothing to compare with")
    accuracy = value.metrics.overall["accuracy"]
    summary = (
        f"version {value.version}: accuracy {interval_text(accuracy)}; "
        f"{value.only_candidate_correct} rows only the candidate gets right, "
        f"{value.only_champion_correct} only the champion"
    )
    metrics = {
        "champion/accuracy": accuracy.value,
        "champion/only_candidate_correct": float(value.only_candidate_correct),
        "champion/only_champion_correct": float(value.only_champion_correct),
    }
    return StageRecord(summary, {"champion.version": value.version}, metrics)


def record_decision(value: Decision, config: PipelineConfig) -> StageRecord:
    """Which rules hold."""
    passed = sum(rule.passed for rule in value.rules)
    metrics = {f"gate/{rule.rule}": float(rule.passed) for rule in value.rules}
    word = "passed" if value.promoted else "refused"
    return StageRecord(
        f"{word}: {passed} of {len(value.rules)} rules hold",
        flatten(config.gate, "gate"),
        {**metrics, "gate/promoted": float(value.promoted)},
    )


def record_export(value: Export, config: PipelineConfig) -> StageRecord:
    """The check of the SavedModel in a fresh process."""
    summary = (
        f"SavedModel; a fresh process gives the same answers on {value.checked_rows} rows "
        f"(largest difference {value.largest_difference:.1e})"
    )
    metrics = {"export/largest_difference": value.largest_difference}
    check = Path(value.path) / "check.json"
    return StageRecord(summary, flatten(config.export, "export"), metrics, artifacts=(check,))


def record_version(value: Version, config: PipelineConfig) -> StageRecord:
    """The registered version and its aliases."""
    aliases = ", ".join(value.aliases) or "no alias"
    word = "registered before as" if value.reused else "registered as"
    summary = f"{word} {value.name} version {value.version} ({aliases})"
    return StageRecord(summary, {"version": value.version, "aliases": ",".join(value.aliases)})
