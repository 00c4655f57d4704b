"""What was found of what is served, in MLflow: a run a check or a feedback.

They have an experiment of their own, ``NAME-served``, so that a check every hour does not hide the
runs of the pipeline.
"""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter

from components.artifacts.values import Interval
from components.monitoring.findings import Feedback, ServedCheck
from components.tracking.client import Metric, connect, ensure_experiment
from components.tracking.errors import registry_errors
from components.tracking.values import NOTE_TAG, POINTS_PER_BATCH, batches, safe_name

KIND_TAG: Final = "rnnflow.served"
"""``check`` or ``feedback``."""


def experiment_of(name: str) -> str:
    """The experiment of what is served of a model."""
    return f"{name}-served"


def record(name: str, found: ServedCheck | Feedback, told: str, tracking_uri: str) -> str:
    """Logs findings as a run, and gives its id.

    Args:
        name: the registered model.
        found: what was found.
        told: the same in a sentence or two.
        tracking_uri: address of MLflow.

    Raises:
        RegistryError: MLflow does not answer, or rejects it.
    """
    kind = "check" if isinstance(found, ServedCheck) else "feedback"
    metrics = _of_check(found) if isinstance(found, ServedCheck) else _of_feedback(found)
    note = (
        f"What is served of `{name}`: a run a `rnnflow check {name} --served` or `rnnflow feedback "
        f"{name}`. The runs of the pipeline are in the experiment `{name}`."
    )
    with registry_errors(tracking_uri, f"record the {kind} of {name}"):
        client = connect(tracking_uri)
        experiment = ensure_experiment(client, experiment_of(name), note)
        tags = {KIND_TAG: kind, NOTE_TAG: told}
        run = client.create_run(experiment, tags=tags, run_name=f"{kind} {found.time}")
        run_id = str(run.info.run_id)
        points = [
            Metric(safe_name(key), value, run.info.start_time, 0) for key, value in metrics.items()
        ]
        for batch in batches(points, POINTS_PER_BATCH):
            client.log_batch(run_id, metrics=batch)
        content = TypeAdapter(type(found)).dump_json(found, indent=1).decode()
        client.log_text(run_id, content, f"{kind}.json")
        client.set_terminated(run_id)
    return run_id


def _of_check(found: ServedCheck) -> dict[str, float]:
    drift = found.drift
    metrics = {
        "drift/alarms": float(len(drift.alarms)),
        "drift/checks": float(len(drift.checks)),
        "drift/largest_distance": max((check.distance for check in drift.checks), default=0.0),
        "drift/rows": float(drift.rows),
    }
    metrics |= {f"drift/distance/{check.name}": check.distance for check in drift.alarms}
    if found.label_distance is not None:
        metrics["answers/label_distance"] = found.label_distance
    if (own := found.of_champion) is not None:
        metrics |= {f"answers/share/{label}": share for label, share in own.shares.items()}
    for each in found.answers:
        metrics[f"answers/rows/version_{each.version}"] = float(each.rows)
        if each.confidence is not None:
            metrics[f"answers/estimated_accuracy/version_{each.version}"] = each.confidence
    return metrics


def _of_feedback(found: Feedback) -> dict[str, float]:
    metrics = {
        "feedback/labelled": float(found.labelled),
        "feedback/unmatched": float(found.unmatched),
    }
    for each in found.versions:
        version = f"version_{each.version}"
        metrics[f"feedback/rows/{version}"] = float(each.rows)
        metrics |= _interval(f"feedback/accuracy/{version}", each.accuracy)
        if each.confidence is not None:
            metrics[f"feedback/estimated_accuracy/{version}"] = each.confidence
    return metrics


def _interval(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}/low": interval.low, f"{name}/high": interval.high}
