"""One HTML page about a run, for the person who decides: the data, the metrics, the decision.

The page is one file without references to anything outside it, and runs no script.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from components.artifacts.drift import Drift
from components.artifacts.history import HistoryPoint
from components.artifacts.predictions import PredictionTable
from components.artifacts.values import (
    BaselineMetrics,
    ChampionMetrics,
    Comparison,
    Decision,
    Interval,
    Metrics,
    Rows,
    Slices,
    Threshold,
)
from components.evaluation.figures import confusion_figure, learning_figure, reliability_figure, svg
from components.evaluation.scoring import calibration, overall, without_temperature
from components.label_tasks import TASKS
from components.metrics import METRICS
from components.report import tables as parts
from components.report.advice import advice
from components.report.changes import LineageStep, SinceChampion, changed_answers
from components.report.slices import SLICES_SHOWN, slice_rows

_CHANGES_SHOWN = 40
"""Settings, as many as a reader takes in."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that a reader may want to run, and what it does."""

    line: str
    purpose: str


@dataclasses.dataclass(frozen=True)
class ReportInputs:
    """What the page shows: plain values, each made by the stage that knows it."""

    title: str
    run_id: str
    created_at: str
    """Date and time, as text."""
    data: Rows
    statistics: Mapping[str, Any]
    """Content of ``statistics.json``; what it lacks is left out of the page."""
    config_yaml: str
    metrics: Metrics
    champion_metrics: Comparison | None
    decision: Decision
    reference_metrics: Comparison | None = None
    """The model that the best evidence supports, where it is not the champion."""
    baseline: BaselineMetrics | None = None
    """The cheap model on the same examples."""
    history: tuple[HistoryPoint, ...] = ()
    model_step: int | None = None
    """The global step that was chosen on the validation split."""
    is_refit: bool = False
    """Whether the model was then trained anew, on the validation rows too."""
    training_notes: tuple[str, ...] = ()
    """What could be changed in the training, one sentence each."""
    threshold: Threshold | None = None
    """From which probability on a label is answered."""
    predictions: PredictionTable | None = None
    """For the reliability diagram and the most confident errors."""
    champion_predictions: PredictionTable | None = None
    """For the answers that changed; of the same rows, in any order."""
    slices: Slices | None = None
    drift: Drift | None = None
    """The training rows beside those of the champion."""
    temperature: float = 1.0
    """At which ``predictions`` are."""
    scales_temperature: bool = False
    """Whether the config asks for a temperature."""
    lineage: Sequence[LineageStep] = ()
    """From the data to the version."""
    since_champion: SinceChampion | None = None
    """None where there is no other champion."""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    commands: Sequence[Command] = ()


def render_report(inputs: ReportInputs) -> str:
    """The page. The same inputs give the same bytes."""
    return page(
        "report.html",
        it=inputs,
        figures=_figures(inputs),
        **_verdict(inputs.decision, inputs.metrics),
        **_results(inputs),
        **_beside_champion(inputs),
        **_temperature(inputs),
        threshold_beside=parts.beside_threshold(inputs.threshold),
        **_data(inputs),
    )


def page(template: str, **values: object) -> str:
    """A page of one of the templates; a name that it has and ``values`` lack is an error."""
    return _environment().get_template(template).render(**values)


def _verdict(decision: Decision, metrics: Metrics) -> dict[str, object]:
    failed = [rule for rule in decision.rules if not rule.passed]
    return {
        "verdict": decision.verdict.capitalize(),
        "failed": failed,
        # Many slices have many rules, of which those that failed are news.
        "gate_rules": [rule for rule in decision.rules if not (rule.slice_name and rule.passed)],
        "slice_rules": [rule for rule in decision.rules if rule.slice_name and rule.passed],
        "advice": list(dict.fromkeys(advice(rule) for rule in failed)),
        "headline": [
            (
                METRICS[key].label,
                interval,
                [rule for rule in decision.rules if rule.rule in (f"{key}.min", f"{key}.max")],
            )
            for key, interval in metrics.overall.items()
        ],
    }


def _results(inputs: ReportInputs) -> dict[str, object]:
    metrics, champion, table = inputs.metrics, inputs.champion_metrics, inputs.predictions
    task, answers = TASKS[metrics.task], sum(each.support for each in metrics.per_class)
    predicted = (sum(column) for column in zip(*metrics.confusion, strict=True))
    baseline = inputs.baseline
    return {
        "compared": isinstance(champion, ChampionMetrics),
        "side_by_side": (
            parts.side_by_side(metrics, champion.metrics)
            if isinstance(champion, ChampionMetrics)
            else []
        ),
        "beside_baseline": parts.side_by_side(metrics, baseline.metrics) if baseline else [],
        "confusions": parts.largest_confusions(metrics),
        "errors": parts.most_confident_errors(table) if table else [],
        "answers": answers,
        # The template's word for what has a label.
        "counted": task.answers if task.in_clusters else "examples",
        "wrong": answers - sum(row[i] for i, row in enumerate(metrics.confusion)),
        "classes": parts.shown_classes(metrics),
        "predicted": dict(zip(metrics.labels, predicted, strict=True)),
        "classes_shown": parts.CLASSES_SHOWN,
    }


def _beside_champion(inputs: ReportInputs) -> dict[str, object]:
    ours, theirs = inputs.predictions, inputs.champion_predictions
    champion = inputs.champion_metrics
    # A champion that is the candidate has changed nothing.
    differs = champion is not None and not champion.same_model
    slices = slice_rows(inputs.slices, inputs.decision) if inputs.slices else []
    return {
        "changed": changed_answers(ours, theirs) if ours and theirs and differs else None,
        "slices": slices,
        "slices_shown": SLICES_SHOWN,
        "slices_judged": sum(row.rules > 0 for row in slices),
        "slices_failed": sum(bool(row.failed) for row in slices),
        "changes_shown": _CHANGES_SHOWN,
    }


def _temperature(inputs: ReportInputs) -> dict[str, object]:
    """What the temperature changes in the metrics, which it was not chosen by."""
    if inputs.predictions is None or inputs.temperature == 1.0:
        return {"before": [], "after": []}
    before = overall(without_temperature(inputs.predictions, inputs.temperature))
    # All that a temperature changes of the metrics: no answer changes.
    keys = [key for key in ("ece", "average_loss") if key in before]
    return {
        "before": [(METRICS[key].short_label, before[key].value) for key in keys],
        "after": [(METRICS[key].short_label, inputs.metrics.overall[key].value) for key in keys],
    }


def _data(inputs: ReportInputs) -> dict[str, object]:
    # The longest bar of the table is as wide as its cell: a share of 0.1 of ten labels is seen.
    labels = parts.label_rows(inputs.statistics, inputs.metrics.labels)
    largest = max((share for row in labels for share in row.shares), default=0.0)
    return {
        "splits": parts.split_rows(inputs.statistics),
        "labels": labels,
        "largest_share": largest or 1.0,
        "rare_fates": {
            "drop": "are left out",
            "train": "are in the training split alone",
            "other": "are one class, other",
        },
    }


def _figures(inputs: ReportInputs) -> dict[str, Markup]:
    """Inline pictures by name; each is made here, so it is safe as it is."""
    metrics = inputs.metrics
    figures = {
        "confusion": svg(
            confusion_figure(metrics.labels, metrics.confusion),
            f"Confusion matrix of {len(metrics.labels)} classes; the pairs are listed beside it",
        )
    }
    if inputs.history:
        figures["learning"] = svg(
            learning_figure(inputs.history, inputs.model_step),
            "Training loss, validation loss and validation accuracy against the global step",
        )
    if inputs.predictions is not None:
        figures["reliability"] = svg(
            reliability_figure(calibration(inputs.predictions)),
            "Accuracy against confidence, and how many examples have which confidence",
        )
        if inputs.temperature != 1.0:
            table = without_temperature(inputs.predictions, inputs.temperature)
            figures["reliability_before"] = svg(
                reliability_figure(calibration(table)),
                "The same before the probabilities were scaled by the temperature",
            )
    return {name: Markup(text) for name, text in figures.items()}


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("components.report"),
        autoescape=True,
        # A name that the template misspells is an error, not an empty cell.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "capitalized": _capitalized,
        "number": _number,
        "after_colon": lambda text: text.partition(": ")[2] or text,
        "count": _count,
        "interval": _interval,
        "percent": _percent,
        "sentence": _sentence,
        "share": lambda value: f"{value:.3f}",
        "signed": lambda value: f"{value:+.4f}",
        "size": _size,
    }
    return environment


def _number(value: float | None) -> str:
    """Counts as they are, anything else with four decimals."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "not a number"
    return f"{value:.4f}" if abs(value) <= 1 or value % 1 else f"{value:,.0f}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _interval(interval: Interval) -> str:
    if math.isnan(interval.low):
        return "not known"
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _percent(value: float) -> str:
    """A share in [0, 1], as CSS and people read it."""
    return f"{100 * min(1.0, max(0.0, value)):.1f}%"


def _capitalized(text: str) -> str:
    """The first letter alone: "macro-F1" becomes "Macro-F1"."""
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    """From a clause: "accuracy 0.9 is …" becomes "Accuracy 0.9 is …."."""
    return _capitalized(text) + ("" if text.endswith(".") else ".")


def _size(size_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} GB"
