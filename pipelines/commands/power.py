"""The command ``gate --power``: how many test rows it takes to see a difference."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from components.errors import NotFoundError
from components.evaluation import evidence
from pipelines.config import load_config
from pipelines.console import make_console
from pipelines.work_directory import CONFIG, Outcome, WorkDirectory

_POINTS = (0.5, 1.0, 2.0, 5.0)


def show_power(config: Path | None, run_id: str | None, work_dir: Path) -> None:
    """Prints what the test rows of a run can see, and how many it would take to see more.

    Args:
        config: whose `gate` decides; that of the run without it.
        run_id: the run whose models are taken; the newest by default.
        work_dir: where the runs are.

    Raises:
        NotFoundError: there is no such run, or the gate decided nothing in it.
        ConfigError: the config cannot be used.
    """
    directory = WorkDirectory.at(work_dir).run(run_id)
    outcome = WorkDirectory.at(work_dir).find_outcome(directory.name)
    if outcome is None or outcome.metrics is None:
        raise NotFoundError(
            f"run {directory.name} measured no model on test rows, so nothing is known of how "
            "models differ there. Run the pipeline first: `rnnflow run CONFIG`."
        )
    rule = load_config(config or directory / CONFIG).gate.champion
    asked, rows = evidence.levels(rule), outcome.metrics.examples
    disagreement, source = _disagreement(outcome)
    console = make_console()
    console.print(f"run {directory.name}: {rows:,} test rows; {source}")
    title = f"test rows that promote a better candidate {100 * evidence.POWER:.0f} times in 100"
    table = Table(title=title)
    for column in ("better by", "test rows", f"or, new ones each of {evidence.NIGHTS} nights"):
        table.add_column(column, justify="right")
    for points in _POINTS:
        needed = evidence.rows_needed(points / 100, disagreement, asked)
        nights = f"{-(-needed // evidence.NIGHTS):,} a night"
        table.add_row(f"{points:g} points", f"{needed:,}", nights)
    console.print(table)
    least = evidence.least_difference(rows, disagreement, asked)
    seen = "no difference" if least is None else f"a difference of {100 * least:.3g} points"
    console.print(
        f"These {rows:,} rows show {seen}, at gate.champion.alpha = {rule.alpha:g} and "
        f"margin_points = {rule.margin_points:g}."
    )


def _disagreement(outcome: Outcome) -> tuple[float, str]:
    """The mean of d², and where it is from."""
    look = outcome.decision.look if outcome.decision else None
    if look and look.against:
        one = look.against[0]
        share = one.squares / one.rows
        who = f"the candidate and version {one.version}"
        return share, f"{who} differ on {100 * share:.3g} % of them (mean of d²)"
    assert outcome.metrics is not None
    accuracy = outcome.metrics.overall["accuracy"].value
    share = 2 * accuracy * (1 - accuracy)
    return share, (
        f"nothing was compared there yet, so two models are taken to differ on {100 * share:.3g} % "
        "of them, as if their errors had nothing in common: real ones differ on fewer"
    )
