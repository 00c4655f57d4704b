"""What a run does for earlier ones in MLflow: it sends what is unsent, and ends what was killed."""

from __future__ import annotations

from pathlib import Path

from components.tracking.owner import Owner
from pipelines.upkeep.past_sweeps import recover_sweeps
from pipelines.work_directory import WorkDirectory


def recover_earlier_runs(
    work: WorkDirectory, name: str, owner: Owner, found_by: str, current: Path | None = None
) -> None:
    """Does so for runs and sweeps; a server that is away is only logged.

    Call it while the work directory's lock is held, before anything of this run is sent.

    Args:
        work: the work directory.
        name: of the model.
        owner: the run that asks.
        found_by: who finds the runs that were killed, for a person.
        current: the journal of the run that asks, if it has one.
    """
    # Imported here, so that a thread that sends is the one that waits for the import of MLflow.
    from components.tracking.recovery import mark_killed_runs, replay_pending

    replay_pending(work.runs, work.tracking_uri, current)

    def save_killed(run_id: str) -> None:
        work.save_killed(run_id, name, found_by)

    mark_killed_runs(work.tracking_uri, name, owner, work.root, on_killed=save_killed)
    recover_sweeps(work)
