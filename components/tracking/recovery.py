"""What the start of a run does for earlier ones: sends what is unsent, marks what was killed.

Whether a sweep has ended is in its journal. One that was killed gets the events of its end there,
which are sent like any others, also to a server that is away now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from components.artifacts.storage import locked_file
from components.tracking.client import MlflowClient, Run, connect, find_experiment, quoted
from components.tracking.delivery import Delivery
from components.tracking.errors import reason
from components.tracking.journal import Event, Journal, ServerUnreachableError, without_credentials
from components.tracking.owner import (
    HEARTBEAT_TAG,
    STALE_SECONDS,
    WORK_DIR_ID_TAG,
    Owner,
    owner_of,
)
from components.tracking.tracker import RUN_ID_TAG, STATUS_TAG, SWEEP_KEY, SWEEP_TAG

_LOG = logging.getLogger("rnnflow")


def replay_pending(
    runs_directory: Path, tracking_uri: str | None = None, current: Path | None = None
) -> int:
    """Sends what is unsent in the journals of earlier runs, ``<runs_directory>/*/tracking.jsonl``.

    Args:
        runs_directory: where the runs of a work directory are.
        tracking_uri: used instead of a journal's own address where the two differ only in the user
          and password, which no journal keeps.
        current: the journal of the run that starts, which is skipped.

    Returns:
        The events that are still unsent. An unreachable server is tried once, and only logged.
    """
    unreachable: set[str] = set()
    unsent = 0
    for path in sorted(set(runs_directory.glob("*/tracking.jsonl")) - {current}):
        journal = Journal(path)
        waiting = journal.unsent()
        opening = next((event for event, _ in journal.read()), {})
        if waiting and "uri" in opening:
            unsent += _replay(journal, opening, waiting, tracking_uri, unreachable)
    return unsent


def _replay(
    journal: Journal,
    opening: Event,
    waiting: int,
    tracking_uri: str | None,
    unreachable: set[str],
) -> int:
    # One attempt per server and start: each may wait for its time limit.
    uri = opening["uri"]
    if uri in unreachable:
        return waiting
    same = tracking_uri is not None and without_credentials(tracking_uri) == uri
    delivery = Delivery(
        journal, tracking_uri if same and tracking_uri else uri, opening["experiment"]
    )
    try:
        _LOG.info("Sent %d events of an earlier run from %s.", delivery.send(), journal.path)
    except ServerUnreachableError as error:
        unreachable.add(uri)
        _LOG.warning(
            "The tracking server %s does not answer (%s): %d events of an earlier run stay in %s.",
            uri,
            error,
            journal.unsent(),
            journal.path,
        )
    return journal.unsent()


def mark_killed_runs(
    tracking_uri: str,
    experiment: str,
    owner: Owner,
    work_dir: Path,
    on_killed: Callable[[str], None] = lambda _: None,
    stale_seconds: float = STALE_SECONDS,
) -> int:
    """Ends, as KILLED, the runs of this work directory that a kill left RUNNING; counts them.

    ``components.tracking.owner`` says how such a run is told from a live one. A model that it was
    uploading ends as FAILED.

    Call it at the start of a run that holds the work directory's lock, after ``replay_pending`` and
    before anything of that run is sent: the lock would prove that run itself gone. An unreachable
    server is only logged.

    Args:
        tracking_uri: address of MLflow.
        experiment: whose runs are looked at.
        owner: the run that asks.
        work_dir: of which the journals say when a killed run ended.
        on_killed: called with the id of a pipeline run before it is ended: after a kill in between
          the next start finds it again.
        stale_seconds: see ``Owner.proves_gone``.
    """
    try:
        client = connect(tracking_uri)
        found = find_experiment(client, experiment)
        if found is None:
            return 0
        marked = 0
        for run in _running(
            client, found, f"tags.`{WORK_DIR_ID_TAG}` = {quoted(owner.work_dir_id)}"
        ):
            if (work_dir / "sweeps" / run.data.tags.get(SWEEP_TAG, "-")).is_dir():
                continue  # `recover_sweeps` knows more of it: it asks for the lock of the sweep
            if owner.proves_gone(run.data.tags, stale_seconds):
                on_killed(run.data.tags.get(RUN_ID_TAG, ""))
                marked += _mark_killed(client, found, run, _last_event_times(work_dir))
        return marked
    except Exception as error:
        # Only readers of MLflow miss the mark: an error of the server must not stop the run.
        _LOG.warning("Runs that were killed could not be marked: %s.", reason(error))
        return 0


def _running(client: MlflowClient, experiment: str, query: str) -> list[Run]:
    query = f"attributes.status = 'RUNNING' and {query}"
    return list(client.search_runs([experiment], query, max_results=1000))


def _mark_killed(client: MlflowClient, experiment: str, run: Run, times: Mapping[str, int]) -> int:
    # The nested runs before their parent: a kill in between leaves the parent RUNNING, so that the
    # next start finds the rest.
    nested = _running(client, experiment, f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    for each in [*nested, run]:
        _end_uploads(client, experiment, each.info.run_id)
        client.set_tag(each.info.run_id, STATUS_TAG, "killed")
        client.set_terminated(each.info.run_id, "KILLED", end_time=times.get(each.info.run_id))
    return len(nested) + 1


def _end_uploads(client: MlflowClient, experiment: str, run_id: str) -> None:
    """Ends, as FAILED, the models whose files a killed run had not uploaded to the end."""
    made_by_it = f"source_run_id = '{run_id}'"
    for model in client.search_logged_models([experiment], made_by_it):
        if str(model.status) == "PENDING":
            client.finalize_logged_model(model.model_id, "FAILED")


def _last_event_times(work_dir: Path) -> dict[str, int]:
    """Milliseconds of the last event of each journal, by the ids of its MLflow runs."""
    times: dict[str, int] = {}
    # A killed run ended about then, and not when it is marked, which may be a day later.
    for path in work_dir.glob("runs/*/tracking.jsonl"):
        journal = Journal(path)
        last = max((event.get("milliseconds", 0) for event, _ in journal.read()), default=0)
        times |= dict.fromkeys(journal.cursor().runs.values(), last)
    return times


def recover_sweeps(
    sweeps_directory: Path,
    tracking_uri: str,
    work_dir_id: str,
    on_killed: Callable[[str], None] = lambda _: None,
    stale_seconds: float = STALE_SECONDS,
) -> int:
    """Does the same for the sweeps that are not in progress; counts those that were killed.

    An unreachable server is tried once, and only logged.

    Args:
        sweeps_directory: where the sweeps of a work directory are.
        tracking_uri: address of MLflow.
        work_dir_id: names the work directory.
        on_killed: called with the name of a sweep that was killed, before it is ended.
        stale_seconds: see ``Owner.proves_gone``.
    """
    unreachable: set[str] = set()
    killed = 0
    for path in sorted(sweeps_directory.glob("*/tracking.jsonl")):
        journal = Journal(path)
        opening = next((event for event, _ in journal.read()), {})
        if "uri" not in opening or not (journal.unsent() or _open_runs(journal)):
            continue
        try:
            # A sweep holds it as long as it goes on.
            with locked_file(path.parent / "lock", wait=False) as lock:
                owner = owner_of(work_dir_id, lock)
                if _was_killed(journal, owner, tracking_uri, stale_seconds):
                    on_killed(path.parent.name)
                    _end_killed(journal)
                    killed += 1
                if waiting := journal.unsent():
                    _replay(journal, opening, waiting, tracking_uri, unreachable)
        except BlockingIOError:
            continue
    return killed


def _open_runs(journal: Journal) -> dict[str, Event]:
    """The runs of a journal that were started and not ended: the event of the start, by key."""
    found: dict[str, Event] = {}
    for event, _ in journal.read():
        if event["event"] == "start_run":
            found[event["key"]] = event
        elif event["event"] == "end_run":
            found.pop(event["key"], None)
    return found


def _was_killed(journal: Journal, owner: Owner, tracking_uri: str, stale_seconds: float) -> bool:
    start = _open_runs(journal).get(SWEEP_KEY)
    if start is None:
        return False
    # Its heartbeat there is that of the start: only the server has the last one.
    recorded = {name: value for name, value in start["tags"].items() if name != HEARTBEAT_TAG}
    if owner.proves_gone(recorded):
        return True
    run = journal.cursor().runs.get(SWEEP_KEY)
    try:
        tags = connect(tracking_uri).get_run(run).data.tags if run else {}
    except Exception as error:
        _LOG.warning("Whether the sweep of %s was killed is not known: %s.", journal.path,
                     reason(error))  # fmt: skip
        return False
    return owner.proves_gone(tags, stale_seconds)


def _end_killed(journal: Journal) -> None:
    # It ended about when it said something last. The trials come before the sweep: after a kill in
    # between, the next start ends the rest.
    last = max((event.get("milliseconds", 0) for event, _ in journal.read()), default=0)
    keys = sorted(_open_runs(journal), key=lambda key: key == SWEEP_KEY)
    tags = {STATUS_TAG: "killed"}
    journal.append(
        {"event": "end_run", "key": key, "milliseconds": last, "status": "KILLED", "tags": tags}
        for key in keys
    )
