"""Writes what a person reads of a run: the report, the decision, the learning curve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.artifacts.storage import write_atomically
from components.artifacts.values import Decision, Examples, Metrics, Model
from pipelines.config import PipelineConfig, dump_config
from pipelines.provenance import versions
from pipelines.work_directory import REPORT

DECISION = "decision.json"
CURVE = "learning_curve.png"


def write_report(
    run_id: str, directory: Path, config: PipelineConfig, values: Mapping[str, Any]
) -> tuple[Path, ...]:
    """Writes the files that the stages so far give reason for; returns their paths.

    Args:
      run_id: names the run.
      directory: the run's.
      config: of the run.
      values: what the stages returned, by their names.
    """
    written: list[Path] = []
    if "model" in values:
        written.append(_write_curve(directory / CURVE, values["model"]))
    if "decision" in values:
        written.append(_write_decision(directory / DECISION, values["decision"]))
        written.append(_write_page(run_id, directory / REPORT, config, values))
    return tuple(written)


def _write_curve(path: Path, model: Model) -> Path:
    # matplotlib takes a second to load, which a run that stops earlier need not wait for.
    from components.artifacts.history import read_history
    from components.evaluation.figures import learning_figure, png

    points = read_history(Path(model.path) / "history.jsonl")
    write_atomically(path, png(learning_figure(points, model.step)))
    return path


def _write_decision(path: Path, decision: Decision) -> Path:
    from components.evaluation.gate import decision_to_json

    write_atomically(path, decision_to_json(decision))
    return path


def _write_page(run_id: str, path: Path, config: PipelineConfig, values: Mapping[str, Any]) -> Path:
    from components.report.render import render_report

    write_atomically(path, render_report(_inputs(run_id, config, values)))
    return path


def _inputs(run_id: str, config: PipelineConfig, values: Mapping[str, Any]) -> Any:
    from components.artifacts.history import read_history
    from components.artifacts.predictions import read_predictions
    from components.report.render import Command, ReportInputs

    examples: Examples = values["examples"]
    metrics: Metrics = values["metrics"]
    model: Model = values["model"]
    commands = [
        Command(f"rnnflow compare {config.name}", "the last runs side by side"),
        Command(f"rnnflow rollback {config.name}", "make the previous champion serve again"),
    ]
    return ReportInputs(
        title=config.name,
        run_id=run_id,
        created_at=_spoken_time(run_id),
        data=values["rows"],
        statistics=json.loads((Path(examples.path) / "statistics.json").read_bytes()),
        config_yaml=dump_config(config),
        metrics=metrics,
        champion_metrics=values.get("champion_metrics"),
        decision=values["decision"],
        history=read_history(Path(model.path) / "history.jsonl"),
        best_step=model.step,
        predictions=read_predictions(Path(metrics.predictions_path)),
        versions=versions(),
        commands=commands,
    )


def _spoken_time(run_id: str) -> str:
    """``20260131-235959-1a2b`` as ``2026-01-31 23:59 UTC``."""
    day, clock = run_id[:8], run_id[9:13]
    return f"{day[:4]}-{day[4:6]}-{day[6:]} {clock[:2]}:{clock[2:]} UTC"
