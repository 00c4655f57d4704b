"""Writes the files of a run that a person reads: report, decision, learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.artifacts.history import HISTORY, read_history
from components.artifacts.storage import write_atomically
from components.artifacts.values import ChampionMetrics, Comparison, Examples, Metrics, Model
from components.data.statistics import read_statistics
from pipelines.config import PipelineConfig, dump_config
from pipelines.lineage import (
    LINEAGE,
    Lineage,
    changes_since,
    lineage_json,
    lineage_of,
    lineage_steps,
)
from pipelines.provenance import versions
from pipelines.stage_records import chosen_step, training_notes
from pipelines.work_directory import REPORT, WorkDirectory

DECISION = "decision.json"
CURVE = "learning_curve.png"


def write_report(
    run_id: str,
    work: WorkDirectory,
    config: PipelineConfig,
    values: Mapping[str, Any],
    code: Mapping[str, str],
) -> tuple[Path, ...]:
    """Writes the files that the stages so far have values for; returns their paths.

    Args:
        run_id: names the run.
        work: holds its directory, and those of the runs before.
        config: of the run.
        values: what the stages returned, by their names.
        code: digests of the code of stages, by their names.
    """
    directory = work.runs / run_id
    written: list[Path] = []

    def write(name: str, content: str | bytes) -> None:
        write_atomically(directory / name, content)
        written.append(directory / name)

    if "model" in values:
        # matplotlib takes a second to load, which a run that stops earlier need not wait for.
        from components.evaluation.figures import learning_figure, png

        model: Model = values["model"]
        points = read_history(Path(model.path) / HISTORY)
        write(CURVE, png(learning_figure(points, chosen_step(model))))
    if "decision" in values:
        from components.evaluation.gate import decision_to_json

        lineage = lineage_of(run_id, values, code)
        write(DECISION, decision_to_json(values["decision"]))
        write(LINEAGE, lineage_json(lineage))
        write(REPORT, _page(run_id, work, config, values, lineage))
    return tuple(written)


def _page(
    run_id: str,
    work: WorkDirectory,
    config: PipelineConfig,
    values: Mapping[str, Any],
    lineage: Lineage,
) -> str:
    from components.artifacts.predictions import read_predictions
    from components.report.render import Command, ReportInputs, render_report

    examples: Examples = values["examples"]
    metrics: Metrics = values["metrics"]
    model: Model = values["model"]
    champion: Comparison | None = values.get("champion_metrics")
    since = theirs = None
    if champion is not None and not champion.same_model:
        since = changes_since(champion.version, work, config, lineage)
    if isinstance(champion, ChampionMetrics):
        theirs = read_predictions(Path(champion.metrics.predictions_path))
    commands = [
        Command(f"rnnflow compare {config.name}", "the last runs side by side"),
        Command(f"rnnflow rollback {config.name}", "make the previous champion serve again"),
    ]
    # The id begins with the time: 20260131-235959-1a2b.
    day, clock = run_id[:8], run_id[9:13]
    inputs = ReportInputs(
        title=config.name,
        run_id=run_id,
        created_at=f"{day[:4]}-{day[4:6]}-{day[6:]} {clock[:2]}:{clock[2:]} UTC",
        data=values["rows"],
        statistics=read_statistics(Path(examples.path)),
        config_yaml=dump_config(config),
        metrics=metrics,
        baseline=values.get("baseline"),
        champion_metrics=champion,
        reference_metrics=values.get("reference_metrics"),
        decision=values["decision"],
        history=read_history(Path(model.path) / HISTORY),
        model_step=chosen_step(model),
        is_refit=config.training.is_refit,
        training_notes=training_notes(model, config),
        threshold=values["threshold"].threshold if "threshold" in values else None,
        predictions=read_predictions(Path(metrics.predictions_path)),
        champion_predictions=theirs,
        slices=values.get("slices"),
        drift=values.get("drift"),
        temperature=model.temperature,
        scales_temperature=config.training.temperature_scaling,
        lineage=lineage_steps(lineage),
        since_champion=since,
        versions=versions(),
        commands=commands,
    )
    return render_report(inputs)
