"""The commands ``compare`` and ``status``: past runs, and what serves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.artifacts.predictions import read_predictions
from components.artifacts.values import Interval
from components.errors import DataError, NotFoundError
from components.evaluation.scoring import differences
from components.metrics import METRICS
from components.metrics_config import MetricsConfig
from components.registry.registry import list_versions
from components.tracking.run_history import RunSummary, recent_runs
from pipelines.commands.summary import print_summary
from pipelines.console import make_console
from pipelines.stage_records import COMPARED_TAG, DATA_DIGEST_TAG, DIGEST_SHOWN, VERSION_TAG
from pipelines.upkeep.past_sweeps import (
    find_state,
    is_in_progress,
    recover_sweeps,
    sweep_directories,
)
from pipelines.work_directory import Outcome, WorkDirectory

_MOST_RUNS = 10


def compare_runs(name: str, last: int, work_dir: Path) -> None:
    """Prints the last runs side by side: metrics with intervals, deltas, changed parameters.

    Raises:
        NotFoundError: there is no run of that name.
        RegistryError: the MLflow server cannot be reached.
    """
    work = WorkDirectory.at(work_dir)
    # By the table's keys: a run that ended before the test split was measured has none of them.
    found = recent_runs(work.tracking_uri, name, last)
    measured = {metric.mlflow_key for metric in METRICS.values()}
    runs = [run for run in reversed(found) if measured & set(run.metrics)]
    if not runs:
        raise NotFoundError(
            f"expected runs of {name!r} that were measured, found none in "
            f"{work.printed_tracking_uri}."
        )
    console = make_console()
    changes = [_changes(work, *pair) for pair in itertools.pairwise(runs)]
    console.print(metric_table(name, runs, changes))
    names = sorted({name for run in runs for name in run.params})
    changed = [name for name in names if len({run.params.get(name) for run in runs}) > 1]
    if changed:
        table = Table(title="parameters that differ")
        table.add_column("parameter", no_wrap=True)
        for run in runs:
            table.add_column(run.name)
        for name in changed:
            table.add_row(name, *(escape(run.params.get(name, "-")) for run in runs))
        console.print(table)


def show_status(run_id: str | None, work_dir: Path, everything: bool = False) -> None:
    """Prints the runs and sweeps of a work directory, what serves, and one run's summary.

    A sweep that was killed is marked as such, here and in MLflow.

    Raises:
        NotFoundError: there is no such run.
        RegistryError: the MLflow server cannot be reached.
    """
    work = WorkDirectory.at(work_dir)
    chosen = work.run(run_id).name
    console = make_console()
    console.print(_run_table(work, everything))
    recover_sweeps(work)
    if sweeps := sweep_directories(work):
        console.print(_sweep_table(work, sweeps if everything else sweeps[-_MOST_RUNS:]))
    outcome = work.find_outcome(chosen)
    if outcome is None:
        what = (
            "is running"
            if chosen == work.running()
            else "was killed, or runs on another machine: `rnnflow run` continues it if it was"
        )
        console.print(f"run {chosen} {what}")
        return
    _print_versions(console, outcome, work, everything)
    console.print(f"\n[bold]run {chosen}[/]")
    print_summary(console, outcome, work_dir)


def _changes(work: WorkDirectory, before: RunSummary, after: RunSummary) -> Mapping[str, Interval]:
    """The differences of the metrics by their keys; none where the runs cannot be paired."""
    outcomes = [work.find_outcome(run.name) for run in (before, after)]
    measured = [each.metrics for each in outcomes if each and each.metrics]
    if len(measured) < len(outcomes):
        return {}  # a run of another work directory
    try:
        first, second = (read_predictions(Path(each.predictions_path)) for each in measured)
        # By other costs there is no difference of costs; all else is the same.
        alike = measured[0].settings == measured[1].settings
        settings = measured[0].settings if alike else MetricsConfig()
        return differences(first, second, settings)
    except (DataError, NotFoundError):
        return {}  # on other examples, or no longer there


def metric_table(
    name: str, runs: Sequence[RunSummary], changes: Sequence[Mapping[str, Interval]]
) -> Table:
    """A column per run: version, champion, digest of the data, every metric with its interval.

    Below each value is the difference to the run before.

    Args:
        name: of the model.
        runs: oldest first.
        changes: the differences with their intervals, of each run but the first.
    """
    table = Table(
        title=f"{name}: value, 95 % interval, difference to the run on the left (with its interval "
        "where both were measured here on the same rows)"
    )
    table.add_column("", no_wrap=True)
    for run in runs:
        table.add_column(run.name.replace("-", "\n", 1), overflow="fold")
    table.add_row("status", *(run.tags.get("rnnflow.status", run.status) for run in runs))
    table.add_row("version", *(run.tags.get(VERSION_TAG, "-") for run in runs))
    table.add_row("champion", *(run.tags.get(COMPARED_TAG, "-") for run in runs))
    table.add_row("data", *(run.tags.get(DATA_DIGEST_TAG, "-")[:DIGEST_SHOWN] for run in runs))
    found = {name for run in runs for name in run.metrics}
    for metric in METRICS.values():
        if metric.mlflow_key not in found:
            continue  # it is of other labels, or was not asked for
        none: Mapping[str, Interval] = {}
        pairs = zip([None, *runs], runs, [none, *changes], strict=False)  # with the one before it
        cells = (
            _metric_cell(metric.mlflow_key, run, before, change.get(metric.key))
            for before, run, change in pairs
        )
        table.add_row(metric.short_label, *cells)
    return table


def _metric_cell(
    name: str, run: RunSummary, before: RunSummary | None, change: Interval | None
) -> str:
    value = run.metrics.get(name)
    if value is None:
        return "-"
    low, high = (run.metrics.get(f"{name}/{end}", value) for end in ("low", "high"))
    lines = [f"{value:.4f}", f"[{low:.3f}, {high:.3f}]"]
    if before is not None and name in before.metrics:
        difference = round(value - before.metrics[name], 4)
        interval = f" [{change.low:+.3f}, {change.high:+.3f}]" if change else ""
        lines.append(f"{difference:+.4f}{interval}" if difference else f"={interval}")
    return escape("\n".join(lines))


def _run_table(work: WorkDirectory, everything: bool) -> Table:
    run_ids = work.run_ids()
    shown = run_ids if everything else run_ids[-_MOST_RUNS:]
    left = f" (the last {len(shown)} of {len(run_ids)}; --all)" if shown != run_ids else ""
    table = Table(title=f"runs in {escape(str(work.root))}{left}")
    for column in ("run", "name", "status", "reason"):
        table.add_column(column, no_wrap=column != "reason")
    running = work.running()
    for run_id in shown:
        outcome = work.find_outcome(run_id)
        if outcome is None:
            table.add_row(run_id, "", "running" if run_id == running else "unfinished", "")
        else:
            table.add_row(run_id, outcome.name, outcome.status, escape(outcome.reason[:120]))
    return table


def _sweep_table(work: WorkDirectory, directories: Sequence[Path]) -> Table:
    table = Table(title=f"sweeps in {escape(str(work.sweeps))}")
    for column in ("sweep", "name", "status", "trials", "finished", "failed", "running", "best"):
        table.add_column(column, no_wrap=True)
    for directory in directories:
        state = find_state(directory)
        if state is None:  # it was killed before it had begun, or an older release made it
            table.add_row(directory.name, "", "unfinished")
            continue
        is_lost = state.status == "running" and not is_in_progress(directory)
        best = "" if state.best is None else f"{state.metric} {state.best:.4f}"
        counts = (state.trials, state.finished, state.failed, state.running)
        status = "unfinished" if is_lost else state.status
        table.add_row(directory.name, state.name, status, *map(str, counts), best)
    return table


def _print_versions(
    console: Console, outcome: Outcome, work: WorkDirectory, everything: bool
) -> None:
    versions = list_versions(outcome.name, work.tracking_uri)
    versions = versions if everything else versions[:_MOST_RUNS]
    if not versions:
        console.print(f"{outcome.name}: no version is registered yet")
        return
    table = Table(title=f"versions of {outcome.name}")
    for column in ("version", "alias", "gate", "made (UTC)"):
        table.add_column(column, no_wrap=True)
    for each in versions:
        made = datetime.fromtimestamp(each.created_milliseconds / 1000, UTC)
        table.add_row(
            str(each.version), ", ".join(each.aliases), each.decision, f"{made:%Y-%m-%d %H:%M}"
        )
    console.print(table)
