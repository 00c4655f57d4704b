"""The summary line and the MLflow record of each stage, read from the value that it returned.

A reused stage returns the same value and leaves the same files, so it is tracked as a fresh one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.artifacts.drift import Drift
from components.artifacts.history import HISTORY, read_history, steps_per_second
from components.artifacts.schema import SCHEMA
from components.artifacts.training_facts import find_training_facts
from components.artifacts.values import (
    BaselineMetrics,
    Comparison,
    Decision,
    Examples,
    Export,
    IncomparableChampion,
    Incumbents,
    Interval,
    Metrics,
    Model,
    Rows,
    Slices,
    Version,
)
from components.data.statistics import DEAD_LETTERS, STATISTICS, read_statistics
from components.label_tasks import TASKS
from components.metrics import METRICS
from components.report.advice import training_advice
from pipelines.config import PipelineConfig, flatten

DATA_DIGEST_TAG = "rnnflow.data_digest"
VERSION_TAG = "rnnflow.version"
COMPARED_TAG = "rnnflow.compared_with"
"""The champion that the run's model was compared with."""
DIGEST_SHOWN = 12
"""Characters of a digest that a person is shown: enough to tell any two apart."""


@dataclass(frozen=True)
class StageRecord:
    """What a stage's nested MLflow run holds."""

    summary: str
    """One line for a person."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Logged at step 0."""
    compared: Mapping[str, float] = field(default_factory=dict)
    """What runs are compared by: logged on the pipeline's run, not on the nested one."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the pipeline's run."""
    history: Path | None = None
    """Metrics against the global step."""
    artifacts: tuple[Path, ...] = ()
    dataset: Rows | None = None
    """Shown as the inputs of the pipeline's run."""


def interval_text(interval: Interval) -> str:
    """``0.978 [0.958, 0.989]``."""
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def metric_values(metrics: Metrics) -> dict[str, float]:
    """What a model reaches on the test split, by name, the ends of the intervals included."""
    values: dict[str, float] = {}
    for key, interval in metrics.overall.items():
        values |= _interval_values(METRICS[key].mlflow_key, interval)
    return values


def _class_values(metrics: Metrics) -> dict[str, float]:
    values: dict[str, float] = {}
    for one in metrics.per_class:
        values |= _interval_values(f"test/recall/{one.label}", one.recall)
        values |= _interval_values(f"test/precision/{one.label}", one.precision)
    return values


def _interval_values(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}/low": interval.low, f"{name}/high": interval.high}


def record_rows(value: Rows, config: PipelineConfig) -> StageRecord:
    """The files, their size and digest."""
    size = sum(file.size_bytes for file in value.files) / 1e6
    files = f"{len(value.files)} file{'' if len(value.files) == 1 else 's'}"
    summary = f"{files}, {size:.1f} MB, digest {value.digest[:DIGEST_SHOWN]}"
    parameters = {"data.digest": value.digest, **flatten(config.data, "data")}
    return StageRecord(summary, parameters, tags={DATA_DIGEST_TAG: value.digest}, dataset=value)


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
    rare = statistics.get("rare_labels", {})
    rare_rows = rare.get("rows", {})
    if rare_rows:
        what = {"drop": "left out", "train": "in training alone", "other": "in the class 'other'"}
        found += (
            f"; {sum(rare_rows.values()):,} rows of {len(rare_rows):,} rare labels "
            f"{what[rare['rare_labels']]}"
        )
    repeated = statistics.get("repeated_content", {})
    if repeated.get("rows"):
        found += f"; {repeated['told']}"
    return StageRecord(
        f"{summary}; {invalid:,} invalid rows{found}",
        parameters,
        {
            **metrics,
            "examples/bad_rows": float(invalid),
            "examples/rare_label_rows": float(sum(rare_rows.values())),
            "examples/repeated_content_rows": float(sum(repeated.get("rows", {}).values())),
        },
        artifacts=tuple(directory / name for name in files),
    )


def record_model(value: Model, config: PipelineConfig) -> StageRecord:
    """The checkpoint and what it reaches, the learning curve, the cost, the workers' logs."""
    directory, checkpoint = Path(value.path), Path(value.checkpoint)
    units = ", ".join(str(count) for count in config.model.units)
    parameters = flatten(config.model, "model") | flatten(config.training, "training")
    # The folders of the other networks of an ensemble, whose files have the names of the first's.
    others = [
        directory / Path(one).relative_to(directory).parts[0] for one in value.other_checkpoints
    ]
    networks = f"{1 + len(others)} networks, " if others else ""
    events = [
        path
        for path in sorted(directory.rglob("events.out.tfevents.*"))
        if set(others).isdisjoint(path.parents)
    ]
    chosen = sorted(checkpoint.parent.glob(f"{checkpoint.name}.*"))
    return StageRecord(
        f"{networks}{config.model.cell_type} [{units}], {_origin(value, config)}",
        {**parameters, "seed": config.seed},
        compared=_training_values(value, config),
        history=directory / HISTORY,
        artifacts=(directory / HISTORY, *events, *chosen, *others, *worker_logs(directory)),
    )


def _origin(model: Model, config: PipelineConfig) -> str:
    if not config.training.is_refit:
        return f"{config.training.checkpoint} checkpoint at step {model.step:,}"
    chosen = chosen_step(model)
    fits = (
        f"the fits of {config.training.folds} folds" if config.training.folds else "the first fit"
    )
    return (
        f"refit on training and validation rows, {model.step:,} steps: as many epochs as at the "
        f"{config.training.checkpoint} checkpoint of {fits}, step {chosen:,}"
    )


def training_notes(model: Model, config: PipelineConfig) -> tuple[str, ...]:
    """What a person should know of the training, and could change; each is one sentence."""
    facts = find_training_facts(Path(model.path))
    history = read_history(Path(model.path) / HISTORY)
    return () if facts is None else training_advice(history, config.training, facts)


def chosen_step(model: Model) -> int:
    """The step that the fit with a validation split chose; without a refit it is the model's."""
    facts = find_training_facts(Path(model.path))
    return model.step if facts is None or facts.chosen_step is None else facts.chosen_step


def record_threshold(value: Model, config: PipelineConfig) -> StageRecord:
    """From which probability on a label is answered, and what that is on the validation split."""
    threshold = value.threshold
    assert threshold is not None  # for the type checker: it is what the stage chooses
    chosen = threshold.chosen
    why = f"; {threshold.note}" if threshold.note else f", by {threshold.aim}"
    summary = (
        f"{threshold.positive!r} from {threshold.value:.4g} on{why}; precision "
        f"{chosen.precision:.3f}, recall {chosen.recall:.3f} on {threshold.rows:,} validation rows"
    )
    values = {
        "threshold/value": threshold.value,
        "threshold/validation_precision": chosen.precision,
        "threshold/validation_recall": chosen.recall,
        f"threshold/validation_{threshold.aim}": chosen.value,
    }
    parameters = {} if config.threshold is None else flatten(config.threshold, "threshold")
    return StageRecord(summary, parameters, compared=values)


# MLflow sorts metrics by name and selects the first one when runs are compared: what was measured
# on the validation split must be first, or settings get chosen on the test split.
def _training_values(model: Model, config: PipelineConfig) -> dict[str, float]:
    points = read_history(Path(model.path) / HISTORY)
    chosen = chosen_step(model)
    values = {
        f"best/{name.replace('/', '_')}": value
        for point in points
        if point.step == chosen
        for name, value in point.metrics.items()
        if name.startswith("validation/")
    }
    values["training/best_step"] = float(chosen)
    if model.temperature != 1.0:
        values["model/temperature"] = model.temperature
    if (facts := find_training_facts(Path(model.path))) is not None:
        values["model/parameters"] = float(facts.parameters)
        values["training/seconds"] = facts.seconds
    if (speed := steps_per_second(points)) is not None:
        values["training/examples_per_second"] = speed * config.training.batch_size
    return values


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
        f"{named} on {value.examples:,} test rows{_steps_of(value)}",
        {"test.examples": value.examples, **flatten(value.settings, "metrics")},
        metrics=metric_values(value) | _class_values(value),
        compared=metric_values(value),
        artifacts=tuple(sorted(path for path in directory.iterdir() if path.suffix in suffixes)),
    )


def _steps_of(metrics: Metrics) -> str:
    """How many answers were measured, where a row has many."""
    task = TASKS[metrics.task]
    count = sum(one.support for one in metrics.per_class)
    return f" of {count:,} {task.answers}" if task.in_clusters else ""


def record_baseline(value: BaselineMetrics, config: PipelineConfig) -> StageRecord:
    """What the cheap model and the commonest label alone reach."""
    accuracy = value.metrics.overall["accuracy"]
    summary = (
        f"{value.label}: accuracy {interval_text(accuracy)}; always "
        f"{value.majority_label!r}: {value.majority_accuracy:.3f}"
    )
    metrics = {f"baseline/{key}": interval.value for key, interval in value.metrics.overall.items()}
    return StageRecord(
        summary,
        {"baseline.model": value.label, "baseline.train_rows": value.train_rows},
        {
            **metrics,
            "baseline/majority_accuracy": value.majority_accuracy,
            "baseline/only_candidate_correct": float(value.pairs.only_candidate_correct),
            "baseline/only_baseline_correct": float(value.pairs.only_other_correct),
        },
    )


def record_champion(value: Incumbents, config: PipelineConfig) -> StageRecord:
    """Which version serves, and which is the reference."""
    champion, reference = value.champion, value.reference
    if champion is None:
        return StageRecord(f"{config.name} has no champion yet", {"champion.version": "none"})
    beside = f"; version {reference.version} is the reference" if reference else ""
    parameters = {
        "champion.version": champion.version,
        "reference.version": reference.version if reference else champion.version,
    }
    return StageRecord(f"version {champion.version} serves now{beside}", parameters)


def record_reference_metrics(value: Comparison | None, config: PipelineConfig) -> StageRecord:
    """The reference on the same rows, where it is not the champion."""
    if value is None:
        return StageRecord("none beside the champion")
    record = record_champion_metrics(value, config)

    def renamed(names: Mapping[str, Any]) -> dict[str, Any]:
        return {name.replace("champion", "reference", 1): each for name, each in names.items()}

    summary = record.summary.replace("only the champion", "only the reference")
    return StageRecord(summary, renamed(record.parameters), renamed(record.metrics))


def record_drift(value: Drift, config: PipelineConfig) -> StageRecord:
    """The alarms, and how far the rows are from those of the champion."""
    if value.reason:
        return StageRecord(value.told)
    metrics = {
        "drift/alarms": float(len(value.alarms)),
        "drift/checks": float(len(value.checks)),
        "drift/largest_distance": max((check.distance for check in value.checks), default=0.0),
        "drift/rows": float(value.rows),
    }
    metrics |= {f"drift/distance/{check.name}": check.distance for check in value.alarms}
    return StageRecord(value.told, {"drift": config.drift}, metrics)


def record_champion_metrics(value: Comparison | None, config: PipelineConfig) -> StageRecord:
    """The champion's metrics, and the rows that only one of the two models gets right."""
    if value is None:
        return StageRecord("nothing to compare with", tags={COMPARED_TAG: "no champion"})
    compared = f"version {value.version}"
    if isinstance(value, IncomparableChampion):
        return StageRecord(
            f"{compared} cannot be compared: {value.reason}",
            {"champion.version": value.version, "champion.not_comparable": value.reason},
            {"champion/comparable": 0.0},
            tags={COMPARED_TAG: f"{compared}: cannot be compared"},
        )
    accuracy = value.metrics.overall["accuracy"]
    answers = TASKS[value.metrics.task].answers
    summary = (
        f"{compared}: accuracy {interval_text(accuracy)}; "
        f"{value.only_candidate_correct} {answers} only the candidate gets right, "
        f"{value.only_champion_correct} only the champion"
    )
    if value.unknown_to_champion:
        summary += f"; labels that it does not know: {', '.join(value.unknown_to_champion)}"
    metrics = {
        "champion/comparable": 1.0,
        "champion/accuracy": accuracy.value,
        "champion/only_candidate_correct": float(value.only_candidate_correct),
        "champion/only_champion_correct": float(value.only_champion_correct),
    }
    if (rows := value.paired_rows) is not None:
        metrics |= {
            "champion/mean_difference_of_rows": rows.mean_difference,
            "champion/rows_candidate_ahead": float(rows.candidate_ahead),
            "champion/rows_champion_ahead": float(rows.other_ahead),
        }
    parameters = {"champion.version": value.version}
    return StageRecord(summary, parameters, metrics, tags={COMPARED_TAG: compared})


def record_slices(value: Slices, config: PipelineConfig) -> StageRecord:
    """Each slice's metrics under its name, and how the champion does there."""
    metrics: dict[str, float] = {}
    for each in value.measured:
        name = f"slices/{each.name}"
        metrics[f"{name}/rows"] = float(each.rows)
        metrics |= {f"{name}/{key}": seen.value for key, seen in each.overall.items()}
        if each.difference is not None:
            metrics |= _interval_values(f"{name}/accuracy_difference", each.difference)
    accuracies = [(each.overall["accuracy"].value, each) for each in value.measured if each.rows]
    few = sum(each.rows < config.gate.slices[each.entry].min_rows for each in value.measured)
    summary = f"{len(value.measured):,} slices"
    if few:
        summary += f", {few:,} of too few rows to be judged"
    if accuracies:
        least, worst = min(accuracies, key=lambda one: one[0])
        summary += f"; lowest accuracy {least:.3f} on {worst.name} ({worst.rows:,} rows)"
    return StageRecord(summary, metrics=metrics, artifacts=(Path(value.path),))


def record_decision(value: Decision, config: PipelineConfig) -> StageRecord:
    """Which rules hold."""
    passed = sum(rule.passed for rule in value.rules)
    metrics = {f"gate/{rule.rule}": float(rule.passed) for rule in value.rules}
    word = "passed" if value.verdict == "promoted" else value.verdict
    return StageRecord(
        f"{word}: {passed} of {len(value.rules)} rules hold",
        flatten(config.gate, "gate"),
        {
            **metrics,
            "gate/promoted": float(value.verdict == "promoted"),
            "gate/candidates_on_these_rows": float(value.candidates_on_these_rows),
        },
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
    parameters = {"version": value.version, "aliases": ",".join(value.aliases)}
    return StageRecord(summary, parameters, tags={VERSION_TAG: str(value.version)})
