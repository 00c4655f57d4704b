"""What a run does for others at its end; and all of it, for a run that was due and is skipped."""

from __future__ import annotations

import contextlib
import logging

from components.config import RetentionConfig
from components.errors import BusyError, ServerAwayError
from components.tracking.owner import Owner
from pipelines.servers.patience import PATIENCE
from pipelines.upkeep.earlier_runs import recover_earlier_runs
from pipelines.upkeep.flow_runs import prune_flow_runs
from pipelines.upkeep.killed_runs import claim_flow_run, mark_killed_flow_runs
from pipelines.upkeep.leftovers import find_leftovers, remove
from pipelines.upkeep.retention import apply_retention
from pipelines.work_directory import WorkDirectory

LOGGER = logging.getLogger("rnnflow")


def keep_within_limits(
    work: WorkDirectory, owner: Owner, name: str, retention: RetentionConfig
) -> None:
    """Removes what ``retention`` does not keep, on disk, in MLflow and in Prefect.

    An error is only logged: the next run, or ``rnnflow clean``, removes what is left.
    """
    try:
        kept = apply_retention(work, owner, {name: retention})
        with PATIENCE.without_waiting():
            prune_flow_runs(work, owner, name, retention, kept)
    except Exception as error:
        LOGGER.warning("Past runs beyond the limits of `retention` were left: %s", error)


def do_upkeep(work: WorkDirectory, name: str, retention: RetentionConfig) -> None:
    """Does for other runs what a run does; if one is going on, that one does it."""
    with contextlib.suppress(BusyError), work.lock("that was skipped") as owner:
        for path in find_leftovers(work):
            remove(path)
        with contextlib.suppress(ServerAwayError), PATIENCE.without_waiting():
            claim_flow_run(owner, name)
            mark_killed_flow_runs(owner, name, work=work)
        recover_earlier_runs(work, name, owner, "a run that was skipped")
        keep_within_limits(work, owner, name, retention)
