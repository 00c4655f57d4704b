"""Scheduled runs: a Prefect deployment that this process serves until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import re
import threading
import time
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.runner import Runner
from prefect.schedules import Cron, Interval, Schedule
from prefect.settings import PREFECT_API_URL

from components.errors import ServerAwayError, UserError
from pipelines.config import PipelineConfig, check_runner_of, load_config
from pipelines.console import make_console, printable, show_servers
from pipelines.schedules.automation import AUTOMATION, install_automation
from pipelines.schedules.backlog import cancel_backlog
from pipelines.servers.patience import PATIENCE
from pipelines.servers.prefect_server import check_server
from pipelines.training import training_flow
from pipelines.work_directory import WorkDirectory

# A run that was allowed must have started within the grace period, or its place is free again:
# Prefect's least is ample for importing this package.
_GRACE_SECONDS = 60
OVERLAPS: Mapping[str, ConcurrencyLimitConfig] = {
    name: ConcurrencyLimitConfig(
        limit=1, collision_strategy=strategy, grace_period_seconds=_GRACE_SECONDS
    )
    for name, strategy in (
        ("refuse", ConcurrencyLimitStrategy.CANCEL_NEW),
        ("queue", ConcurrencyLimitStrategy.ENQUEUE),
    )
}
"""What becomes of a run that is due during another: the next scheduled run covers one that is
refused.
"""


@dataclass(frozen=True)
class Due:
    """When runs are due, and on what else they depend."""

    cron: str | None = None
    timezone: str = "UTC"
    """Of ``cron``."""
    every: str | None = None
    """An interval, such as ``6h``, in place of ``cron``."""
    when: str = "always"
    """One of ``pipelines.schedules.when.CONDITIONS``."""
    overlap: str = "refuse"
    """One of ``OVERLAPS``."""

    @property
    def told(self) -> str:
        """When runs are due, for a person."""
        text = f"every {self.every}" if self.every else f"{self.cron} ({self.timezone})"
        return text if self.when == "always" else f"{text}, when there is {self.when}"


def serve(config: Path, due: Due, work_dir: Path, settings: Sequence[str] = ()) -> None:
    """Serves the config as a deployment named after it; returns when it is stopped.

    Args:
        config: the config file, which each run reads again.
        due: when a run is due.
        work_dir: the work directory.
        settings: ``KEY=VALUE``, which replace what the config says, in each run.

    Raises:
        UserError: the config, the schedule or the time zone cannot be used, or no Prefect server is
          named.
        ServerAwayError: the server does not answer at the start, or when the schedule is stopped.
    """
    loaded = load_config(config, settings)
    WorkDirectory.at(work_dir)  # or each run would be refused
    name = loaded.name
    schedule = parse_schedule(due)
    check_runner_of(loaded)
    check_address()
    show_servers()
    check_server()
    console = make_console()
    console.print(f"[bold]rnnflow[/]/{name}: {due.told}; stop it with Ctrl-C")
    if install_automation():
        console.print(f"  Prefect ends killed runs from now on (automation {AUTOMATION})")
    if covered := cancel_backlog(f"rnnflow/{name}"):
        console.print(f"  {covered:,} runs that were due meanwhile are cancelled: one covers them")
    runner = _Schedule(name=name, pause_on_shutdown=True)
    # It updates the deployment of that name: an edited schedule takes effect at the next start, and
    # so does one that the last stop has paused.
    runner.add_flow(
        training_flow,
        name=name,
        schedule=schedule,
        paused=False,
        parameters=deployment_parameters(config, work_dir, settings, due.when),
        description=describe(loaded, config, due, settings),
        concurrency_limit=OVERLAPS[due.overlap],
        tags=["rnnflow"],
    )
    _PROPOSALS.addHandler(_RefusalHandler())
    try:
        asyncio.run(runner.start())
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print(f"[bold]rnnflow[/]/{name}: stopped; the schedule is paused")
    except ServerAwayError as error:
        raise ServerAwayError(f"the schedule is stopped, but not paused: {error}") from error


def describe(config: PipelineConfig, path: Path, due: Due, settings: Sequence[str] = ()) -> str:
    """What a person reads on the deployment's page, in Markdown."""
    but = f" but for {', '.join(f'`{each}`' for each in settings)}" if settings else ""
    return (
        f"Trains `{config.name}` on `{config.data.train}`: {_in_markdown(due)}, with the "
        f"config `{path.resolve()}`{but}. A model that passes the gate becomes the champion, the "
        "version that serves. If nothing changed since the last run, nothing is trained and the "
        "champion stays.\n\n"
        "The name of its state says how a run ended: *Promoted*, *Proposed* (to a person), "
        "*Unchanged* and *Refused* (by the gate) came to their end; *Skipped* had nothing to do; "
        "*Failed* is an error; "
        "*Cancelled* did nothing, since another run was going on, or a person ended it."
    )


_AGAIN_SECONDS = 15.0
"""A run that ends in good order has ended by then; Docker and Kubernetes kill after 30 s."""


def _end_runs() -> None:
    for run in multiprocessing.active_children():
        run.terminate()


class _Schedule(Runner):
    """Ends on SIGTERM as on Ctrl-C: pauses the schedule, and waits for the run that is going on."""

    async def start(self, run_once: bool = False, webserver: bool | None = None) -> None:
        """Serves until it is stopped."""
        self._loop_of_it = asyncio.get_running_loop()
        self._serving = asyncio.current_task()
        await super().start(run_once, webserver)

    def handle_sigterm(self, *_: Any) -> None:
        """Prefect installs this; its own would end before anything is paused."""
        # Ctrl-C reaches all processes of a terminal, this signal only one. The run ends as any run
        # does: with a checkpoint, if it trains.
        _end_runs()
        # Python raises what a signal means wherever the run is just then, and there are places that
        # drop it, such as a callback of the garbage collector.
        again = threading.Timer(_AGAIN_SECONDS, _end_runs)
        again.daemon = True
        again.start()
        assert self._serving is not None, "a signal comes after the start"
        self._loop_of_it.call_soon_threadsafe(self._serving.cancel)

    async def __aexit__(self, *exc_info: Any) -> None:
        """Pauses the schedule; a server that is away is not waited for."""
        PATIENCE.hurry()
        await super().__aexit__(*exc_info)


_PROPOSALS = logging.getLogger("prefect.runner.state_proposer")


class _RefusalHandler(logging.Handler):
    """Says that the server refused a run because another one is going on.

    The runner hears of it in an answer that it keeps to itself, but for one record of its log.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("Aborted submission"):
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
            line = (
                f"{clock} a run that was due is refused, as the one before it is not over "
                f"(flow run {record.args[0] if isinstance(record.args, tuple) else '?'})"
            )
            print(printable(line), flush=True)


def check_address() -> None:
    """Refuses Prefect's ephemeral server: it would never start a run that is due.

    Raises:
        UserError: no server is named.
    """
    if not PREFECT_API_URL.value():
        raise UserError(
            "expected the address of a Prefect server in PREFECT_API_URL, because only a server "
            "starts runs on a schedule. Start one with `prefect server start`, then "
            "`export PREFECT_API_URL=http://127.0.0.1:4200/api`."
        )


def _in_markdown(due: Due) -> str:
    return due.told if due.cron is None else due.told.replace(due.cron, f"`{due.cron}`")


def parse_schedule(due: Due) -> Schedule:
    """A schedule from a cron expression and a time zone, or from an interval.

    Raises:
        UserError: one of them cannot be used, or both are given, or neither.
    """
    if (due.cron is None) == (due.every is None):
        raise UserError("expected --cron or --every, one of the two.")
    if due.every is not None:
        found = _EVERY.fullmatch(due.every.strip())
        seconds = int(found[1]) * _UNIT_SECONDS[found[2]] if found else 0
        if seconds < _LEAST_SECONDS:
            raise UserError(
                f"--every: expected a number and a unit, such as 30m, 6h or 1d, and a minute at "
                f"least; got {due.every!r}."
            )
        # From a day that does not move: a schedule that is started again keeps its times.
        return Interval(timedelta(seconds=seconds), anchor_date=datetime(2024, 1, 1, tzinfo=UTC))
    assert due.cron is not None  # for the type checker
    try:
        zoneinfo.ZoneInfo(due.timezone)
        return Cron(due.cron, timezone=due.timezone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        # OSError: "Europe" alone is a directory of time zones.
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise UserError(
            f"expected a cron expression such as '0 3 * * *' and a time zone such as "
            f"'Europe/Berlin'; got {due.cron!r} and {due.timezone!r}: {reason}"
        ) from None


_EVERY = re.compile(r"(\d{1,6})\s*([smhd])")
_UNIT_SECONDS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LEAST_SECONDS = 60
"""Prefect schedules runs by the minute, and none of ours is shorter."""


def deployment_parameters(
    config: Path, work_dir: Path, settings: Sequence[str] = (), when: str = "always"
) -> dict[str, Any]:
    """The flow's parameters, with absolute paths: a run may start in another directory."""
    parameters: dict[str, Any] = {
        "config_path": str(config.resolve()),
        "work_dir": str(work_dir.resolve()),
    }
    if when != "always":
        parameters["when"] = when
    return {**parameters, "settings": list(settings)} if settings else parameters
