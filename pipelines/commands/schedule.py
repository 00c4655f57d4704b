"""Scheduled runs: a Prefect deployment that this process serves until it is stopped."""

from __future__ import annotations

import re
import zoneinfo
from pathlib import Path

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.schedules import Cron, Schedule
from prefect.settings import PREFECT_API_URL

from components.errors import UserError
from pipelines.config import PipelineConfig, load_config
from pipelines.console import make_console
from pipelines.training import training_flow

# A run that was allowed must have started within the grace period, or its place is free again:
# Prefect's least, 60 s, is ample for importing this package.
ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW, grace_period_seconds=60
)
"""A run that is due during another is cancelled, not queued: the next scheduled run covers it."""


def serve(config: Path, cron: str, timezone: str, work_dir: Path) -> None:
    """Serves the config as a deployment named after it; returns when it is stopped.

    Raises:
        UserError: the config, the schedule or the time zone cannot be used, or no Prefect server is
          named.
    """
    loaded = load_config(config)
    name = loaded.name
    schedule = parse_schedule(cron, timezone)
    check_server()
    # It updates the deployment of that name: an edited schedule takes effect at the next start.
    console = make_console()
    console.print(f"[bold]rnnflow[/]/{name}: {cron} ({timezone}); stop it with Ctrl-C")
    training_flow.serve(
        name=name,
        schedule=schedule,
        parameters=deployment_parameters(config, work_dir),
        description=describe(loaded, config, cron, timezone),
        global_limit=ONE_AT_A_TIME,
        tags=["rnnflow"],
        print_starting_message=False,
    )


def describe(config: PipelineConfig, path: Path, cron: str, timezone: str) -> str:
    """What a person reads on the deployment's page, in Markdown."""
    return (
        f"Trains `{config.name}` on `{config.data.train}` by `{cron}` ({timezone}), with the "
        f"config `{path.resolve()}`. A model that passes the gate becomes the champion, the "
        "version that serves. If nothing changed since the last run, nothing is trained and the "
        "champion stays.\n\n"
        "The name of its state says how a run ended: *Promoted*, *Unchanged* and *Refused* (by the "
        "gate) came to their end; *Failed* is an error; *Cancelled* did nothing, since another run "
        "was going on."
    )


def check_server() -> None:
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


def parse_schedule(cron: str, timezone: str) -> Schedule:
    """A schedule from a cron expression and a time zone.

    Raises:
        UserError: one of them cannot be used.
    """
    try:
        zoneinfo.ZoneInfo(timezone)
        return Cron(cron, timezone=timezone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        # OSError: "Europe" alone is a directory of time zones.
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise UserError(
            f"expected a cron expression such as '0 3 * * *' and a time zone such as "
            f"'Europe/Berlin'; got {cron!r} and {timezone!r}: {reason}"
        ) from None


def deployment_parameters(config: Path, work_dir: Path) -> dict[str, str]:
    """The flow's parameters, with absolute paths: a run may start in another directory."""
    return {"config_path": str(config.resolve()), "work_dir": str(work_dir.resolve())}
