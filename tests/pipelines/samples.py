"""Values of every stage, as the stages return them, for what only reads them."""

from __future__ import annotations

import dataclasses
from typing import Any

from components.artifacts.values import (
    ClassMetrics,
    Decision,
    Interval,
    Metrics,
    RuleResult,
    Version,
)
from pipelines.config import PipelineConfig, parse_config
from pipelines.work_directory import Outcome, StageOutcome

RUN_ID = "20260131-235959-1a2b"


def interval(value: float) -> Interval:
    return Interval(value, value - 0.02, value + 0.01)


METRICS = Metrics(
    overall={
        "accuracy": interval(0.978),
        "macro_f1": interval(0.97),
        "average_loss": interval(0.1),
        "ece": interval(0.02),
    },
    per_class=(
        ClassMetrics("no", interval(0.9), interval(0.8), 1200),
        ClassMetrics("yes", interval(0.7), interval(0.6), 34),
    ),
    labels=("no", "yes"),
    confusion=((1190, 10), (4, 30)),
    examples=1234,
    predictions_path="predictions.parquet",
    digest="m",
)
PROMOTED = Decision(
    promoted=True,
    reason="Promoted: every rule holds.",
    rules=(RuleResult("accuracy", True, 0.978, ">= 0.95", "accuracy 0.978 is at least 0.95"),),
    champion_version=None,
)
PROPOSED = dataclasses.replace(
    PROMOTED, reason="Proposed: every rule holds; it waits for a person.", needs_approval=True
)
UNCHANGED = dataclasses.replace(
    PROMOTED,
    reason="Unchanged: this very model is version 3, the champion already.",
    champion_version=3,
    unchanged=True,
)
REFUSED = Decision(
    promoted=False,
    reason="Refused: ece 0.2 is above 0.1.",
    rules=(
        RuleResult("accuracy", True, 0.978, ">= 0.95", "accuracy 0.978 is at least 0.95"),
        RuleResult("ece", False, 0.2, "<= 0.1", "ece 0.2 is above 0.1"),
    ),
    champion_version=3,
)


def config(name: str = "demo") -> PipelineConfig:
    return parse_config(
        f"name: {name}\ndata: {{train: rows.jsonl}}\n"
        "features: {sequence: {x: {kind: numeric}}}\n"
    )


def outcome(**changes: Any) -> Outcome:
    """A run that ended with a new champion, or one that differs from it."""
    promoted = Outcome(
        run_id=RUN_ID,
        name="demo",
        status="promoted",
        reason=PROMOTED.reason,
        stages=(
            StageOutcome("rows", "2 files", 0.1, False, None),
            StageOutcome("examples", "640 rows", 0.0, True, "/somewhere"),
            StageOutcome("model", "gru [64]", 0.0, True, "/somewhere"),
        ),
        exit_code=0,
        metrics=METRICS,
        decision=PROMOTED,
        version=Version("demo", 4, ("champion",), False),
        mlflow_run_id="abc",
        tracking_uri="http://tracking.example:5000",
    )
    return dataclasses.replace(promoted, **changes)
