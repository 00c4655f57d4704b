"""The command ``clean``: removes past runs now, or says what would be removed."""

from __future__ import annotations

from pathlib import Path

import click

from components.artifacts.storage import size_of
from pipelines.config import load_config
from pipelines.upkeep.leftovers import find_leftovers, remove
from pipelines.upkeep.retention import apply_retention, retentions
from pipelines.work_directory import WorkDirectory


def clean(config: Path | None, dry_run: bool, work_dir: Path) -> None:
    """Removes what the retention of each name, or of one config, does not keep.

    Raises:
        BusyError: a run is in progress.
        NotFoundError: there is no run yet.
        RegistryError: MLflow cannot be reached.
        ServerAwayError: Prefect cannot be reached; the rest is removed by then.
    """
    work = WorkDirectory.at(work_dir)
    if config is None:
        work.run()  # raises without one
        limits = retentions(work)
    else:
        loaded = load_config(config)
        limits = {loaded.name: loaded.retention}
    total = count = 0

    def show(what: str, size: int) -> None:
        nonlocal total, count
        total, count = total + size, count + 1
        click.echo(f"{_shown(size):>10}  {what}")

    with work.lock("of rnnflow clean") as owner:
        for path in find_leftovers(work):
            show(str(path.relative_to(work.root)), size_of(path))
            if not dry_run:
                remove(path)
        kept = apply_retention(work, owner, limits, show, dry_run=dry_run)
        if _has_prefect_server():
            # Here, as Prefect takes a second, and a server of its own would start without one.
            from pipelines.servers.patience import PATIENCE
            from pipelines.upkeep.flow_runs import prune_flow_runs

            with PATIENCE.without_waiting():
                for name, limit in limits.items():
                    prune_flow_runs(work, owner, name, limit, kept, show, dry_run=dry_run)
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{_shown(total):>10}  in {count} entries {verb} from {work.root}")
    complete = [name for name, limit in limits.items() if not limit.on_server]
    if complete and work.own_database is None:
        click.echo(
            f"MLflow at {work.printed_tracking_uri} keeps every run of {', '.join(complete)}: "
            "retention.on_server: true in the config deletes old ones there too."
        )


def _has_prefect_server() -> bool:
    from prefect.settings import get_current_settings

    return get_current_settings().api.url is not None


def _shown(size_bytes: int) -> str:
    return "-" if not size_bytes else f"{size_bytes / 1e6:.2f} MB"
