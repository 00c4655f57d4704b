"""The end of a run, for a person: the decision and why, the metrics, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from components.artifacts.values import Decision
from components.metrics import METRICS
from pipelines.console import work_dir_option
from pipelines.stage_records import interval_text
from pipelines.work_directory import REPORT, Outcome

_STYLES = {
    "promoted": "bold green",
    "proposed": "bold green",
    "unchanged": "bold",
    "refused": "bold yellow",
    "done": "bold",
}
_LEAST_WIDTH = 12
_NAMED = 5
"""The most slices that the line names; the report has all."""


def print_summary(console: Console, outcome: Outcome, work_dir: Path) -> None:
    """Prints how a run ended."""
    style = _STYLES.get(outcome.status, "bold red")
    console.print(f"\n[{style}]{escape(outcome.reason)}[/]")
    lines = list(_lines(outcome, work_dir))
    width = max(_LEAST_WIDTH, *(len(name) + 1 for name, _ in lines))
    for name, text in lines:
        console.print(f"  [dim]{name:<{width}}[/]{escape(text)}")


def _lines(outcome: Outcome, work_dir: Path) -> Iterator[tuple[str, str]]:
    if outcome.metrics is not None:
        for key, metric in METRICS.items():
            # An older run may lack a metric of today, or have one that is gone.
            interval = outcome.metrics.overall.get(key)
            if interval is not None and metric.in_summary:
                rows = f"on {outcome.metrics.examples:,} test rows"
                yield metric.short_label, f"{interval_text(interval)}  {rows}"
    if outcome.decision is not None and (judged := _slices(outcome.decision)):
        yield "slices", judged
    notes = outcome.decision.notes if outcome.decision else ()
    for note in (*notes, *outcome.training_notes):
        yield "note", note
    reused = [stage.name for stage in outcome.stages if stage.reused]
    yield "reused", ", ".join(reused) or "nothing"
    if outcome.version is not None:
        aliases = ", ".join(outcome.version.aliases) or "no alias: it does not serve"
        yield "version", f"{outcome.version.name} {outcome.version.version} ({aliases})"
    if outcome.saved_model is not None:
        yield "SavedModel", str(_shown(outcome.saved_model))
    if outcome.unsent_events:
        yield "unsent", f"{outcome.unsent_events} events wait for the MLflow server; kept on disk"
    # Commands as they can be pasted: the work directory is named only where it is not the default.
    option = work_dir_option(work_dir)
    yield "report", str(_shown(work_dir) / "runs" / outcome.run_id / REPORT)
    yield "MLflow", outcome.mlflow_url or mlflow_command(outcome.tracking_uri)
    yield "Prefect", outcome.prefect_url or "prefect server start, then http://127.0.0.1:4200/runs"
    yield "compare", f"rnnflow compare {outcome.name}{option}"
    if outcome.status == "promoted":
        yield "undo", f"rnnflow rollback {outcome.name}{option}"
    elif outcome.status == "proposed":
        yield "approve", f"rnnflow approve {outcome.name} --reason TEXT{option}"
        yield "or reject", f"rnnflow reject {outcome.name} --reason TEXT{option}"
    elif outcome.status == "refused" and outcome.version is not None:
        yield "overrule", f"rnnflow promote {outcome.name} {outcome.version.version}{option}"


def _slices(decision: Decision) -> str:
    """Which slices fail, in one line; empty if none was judged."""
    # Each once, in their order.
    judged = dict.fromkeys(rule.slice_name for rule in decision.rules if rule.slice_name)
    failed = dict.fromkeys(
        rule.slice_name for rule in decision.rules if rule.slice_name and not rule.passed
    )
    if not failed:
        return f"all {len(judged):,} judged pass" if judged else ""
    more = f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
    named = "; ".join(list(failed)[:_NAMED])
    return f"{len(failed):,} of {len(judged):,} judged fail: {named}{more}"


def mlflow_command(tracking_uri: str) -> str:
    """What to type, or open, to see the runs."""
    if tracking_uri.startswith("http"):
        return tracking_uri
    path = Path(tracking_uri.removeprefix("sqlite:///"))
    return f"mlflow ui --backend-store-uri {shlex.quote(f'sqlite:///{_shown(path)}')}"


def _shown(path: Path) -> Path:
    """Relative to where the user stands, if it is below."""
    here = Path.cwd()
    absolute = path if path.is_absolute() else here / path
    return absolute.relative_to(here) if absolute.is_relative_to(here) else path
