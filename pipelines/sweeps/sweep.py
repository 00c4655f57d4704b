"""The command ``sweep``: trains a config with many settings, and runs the best of them.

Nothing but the validation split is looked at before the best one is run like any other config: the
test split decides once, at the gate.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from optuna.trial import FrozenTrial
from rich.console import Console

from components.artifacts.storage import locked_file, write_atomically
from components.artifacts.values import Examples
from components.data.rows import check_files
from components.errors import BusyError, TrainingError
from components.report.sweep import SweepInputs, TrialRow, render_sweep
from components.tracking.owner import owner_of
from components.workers.supervisor import raising_sigterm
from pipelines.commands.run import run_pipeline
from pipelines.config import check_runner_of, dump_config, load_config
from pipelines.console import make_console, printable
from pipelines.sweeps.search import Search, result_of
from pipelines.sweeps.space import Space, parse_space
from pipelines.sweeps.study import number_of, reason_of
from pipelines.upkeep.heartbeat import heartbeat
from pipelines.upkeep.past_sweeps import LOCK
from pipelines.work_directory import WorkDirectory

BEST_CONFIG: Final = "best.yaml"
PAGE: Final = "sweep.html"


def sweep(
    path: Path,
    parameters: Sequence[str],
    trials: int,
    parallel: int,
    work_dir: Path,
    settings: Sequence[str] = (),
    *,
    run_best: bool = True,
) -> int:
    """Tries settings of a config, then runs the best; returns the exit code of that run.

    A sweep that was interrupted, or killed, goes on when it is started again with the same config,
    rows and parameters; with more trials it adds to what there is.

    Args:
        path: the config file.
        parameters: what varies, as ``pipelines.sweeps.space`` says.
        trials: how many there are in the end.
        parallel: how many train at a time.
        work_dir: the work directory.
        settings: ``KEY=VALUE``, which replace what the config says, in every trial.
        run_best: whether the best is then run and held against the gate.

    Raises:
        ConfigError: the config or a parameter cannot be used.
        BusyError: this sweep is in progress.
        TrainingError: no trial succeeded.
    """
    config = load_config(path, settings)
    space = parse_space(path, settings, parameters)
    check_files(config.data)
    check_runner_of(config)
    work = WorkDirectory.at(work_dir)
    console = make_console()
    examples = _Examples(path, work_dir, work)
    # What is compared must not change between two starts: rows, config, space, and the code that
    # prepares the rows, for which the directory of the examples stands.
    parts = [examples.of(settings).path, dump_config(config), *map(str, space.describe().items())]
    identity = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
    directory = work.sweeps / f"{config.name}-{identity}"
    with contextlib.ExitStack() as held:
        try:
            lock = held.enter_context(locked_file(directory / LOCK, wait=False))
        except BlockingIOError:
            raise BusyError(f"this sweep is in progress already, in {directory}.") from None
        search = Search(
            path, settings, space, directory, trials, work.tracking_uri, owner_of(work.id, lock),
            examples.of, console,
        )  # fmt: skip
        held.enter_context(heartbeat(search.record.beat))
        try:
            with raising_sigterm():
                search.run(parallel)
        except (KeyboardInterrupt, SystemExit) as error:
            number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else signal.SIGTERM
            search.end("interrupted")
            count = len(search.study.finished)
            text = (
                f"rnnflow: stopped by {number.name}. {count} trials are kept; the same command "
                "goes on from here."
            )
            click.echo(printable(text), err=True)
            return 128 + number
        except BaseException:
            search.end("failed")
            raise
        best = search.study.best
        if best is None:
            search.end("failed")
            raise TrainingError(
                f"none of {len(search.study.finished)} trials came to its end. The last one: "
                f"{reason_of(search.study.finished[-1])}"
            )
        chosen = [*settings, *space.settings(best.params)]
        write_atomically(directory / BEST_CONFIG, dump_config(load_config(path, chosen)))
        _print_best(console, search, best, space, directory / BEST_CONFIG)
        code, run_id = os.EX_OK, None
        if run_best:
            try:
                name = f"tags.sweep={directory.name}"
                code = run_pipeline(path, work_dir, settings=[*chosen, name])
            except BaseException:
                search.end("failed", best)
                raise
            run_id = work.run().name
        write_atomically(directory / PAGE, _page(search, space, directory.name, run_id))
        search.record.log_files([directory / PAGE, directory / BEST_CONFIG])
        search.end("finished", best, run_id)
        console.print(f"  sweep       {directory / PAGE}", markup=False, highlight=False)
    return code


class _Examples:
    """The examples of a trial: one set for all that prepare the rows alike."""

    def __init__(self, path: Path, work_dir: Path, work: WorkDirectory) -> None:
        self._path, self._work_dir, self._work = path, work_dir, work
        self._made: dict[str, Examples] = {}

    def of(self, settings: Sequence[str]) -> Examples:
        """Made by a run up to that stage, unless an earlier one has made them."""
        config = load_config(self._path, settings)
        key = repr((config.data, config.features, config.preprocessing))
        if key not in self._made:
            run_pipeline(self._path, self._work_dir, until="examples", settings=settings)
            outcome = self._work.find_outcome(self._work.run().name)
            assert outcome is not None, "a run that ended has an outcome"
            made = outcome.artifact("examples")
            assert made is not None, "the stage makes an artifact"
            self._made[key] = Examples(str(made), made.name)
        return self._made[key]


def _print_best(
    console: Console, search: Search, best: FrozenTrial, space: Space, config: Path
) -> None:
    own = "" if search.own is None else f"; with the settings of the config {result_of(search.own)}"
    lines = [
        f"  best        trial {number_of(best)}, {search.metric} {result_of(best)}{own}",
        *(f"              --set {setting}" for setting in space.settings(best.params)),
        f"  config      {config}",
    ]
    console.print("\n".join(lines), markup=False, highlight=False)


def _page(search: Search, space: Space, name: str, run_id: str | None) -> str:
    return render_sweep(
        SweepInputs(
            title=search.config.name,
            sweep=name,
            metric=search.metric,
            space=space.describe(),
            trials=[
                TrialRow(
                    number_of(trial),
                    [setting.partition("=")[2] for setting in space.settings(trial.params)],
                    result_of(trial),
                    reason_of(trial),
                    search.curve(trial),
                )
                for trial in search.study.ranked
            ],
            as_it_was=None if search.own is None else result_of(search.own),
            importances=search.study.importances(),
            run_id=run_id,
        )
    )
