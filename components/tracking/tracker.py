"""What a pipeline run logs to MLflow: written to a journal first, then sent.

A ``Tracker`` belongs to one pipeline run and holds its MLflow runs by a key: ``pipeline`` for the
parent, the name of a stage for each nested one. An unreachable server never stops the pipeline:
what it missed stays in the journal, and the next start sends it (``components.tracking.recovery``).
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from components.tracking.journal import Event, Journal, ServerUnreachableError, without_credentials
from components.tracking.loading import load_client
from components.tracking.owner import heartbeat_tag
from components.tracking.values import (
    PARAMS_PER_BATCH,
    POINTS_PER_BATCH,
    Point,
    batches,
    param_texts,
    read_points,
    run_page,
    safe_name,
)

if TYPE_CHECKING:
    from components.tracking.delivery import Delivery

__all__ = [
    "RUN_ID_TAG",
    "STATUS_TAG",
    "SWEEP_KEY",
    "SWEEP_TAG",
    "WORK_DIR_TAG",
    "Point",
    "RunStatus",
    "Tracker",
]

RunStatus: TypeAlias = Literal["FINISHED", "FAILED", "KILLED"]

RUN_ID_TAG = "rnnflow.run_id"
WORK_DIR_TAG = "rnnflow.work_dir"
STATUS_TAG = "rnnflow.status"
SWEEP_TAG = "rnnflow.sweep"
"""Of a sweep and of each of its trials: the name of its directory."""
SWEEP_KEY = "sweep"
"""Of the run of a sweep; its trials have others."""
PATIENCE_SECONDS = 10.0
"""How long one run may wait for an unreachable server before only ``flush`` tries it again."""
HISTORY_SECONDS = 1.0
"""Least time between two reads of the histories that grow."""
DIGEST_LENGTH = 36
"""Most characters that MLflow takes."""

_LOG = logging.getLogger("rnnflow")


class Tracker:
    """The MLflow runs of one pipeline run. No method raises because of the server.

    Args:
        journal: the file to write, ``<work_dir>/runs/<run_id>/tracking.jsonl``. One that exists is
          continued.
        tracking_uri: any address that MLflow takes.
        experiment: name of the MLflow experiment; it is made if it is missing.
        on_record: called when there is something to ``send``. Without it, all is sent at once.
    """

    def __init__(
        self,
        journal: Path,
        tracking_uri: str,
        experiment: str,
        on_record: Callable[[], None] | None = None,
    ) -> None:
        self._journal = Journal(journal)
        self._tracking_uri = tracking_uri
        self._experiment = experiment
        self._on_record = on_record
        self._delivery: Delivery | None = None
        # Two locks: histories are read under the first while another thread sends under the second.
        self._lock = threading.RLock()
        self._sending = threading.Lock()
        self._histories: dict[tuple[str, str], Path] = {}
        self._offsets: dict[tuple[str, str], int] = {}
        self._history_read_at = -math.inf
        self._id = uuid.uuid4().hex
        self._unreachable = False
        self._lost_seconds = 0.0
        is_new = True
        for event, _ in self._journal.read():
            # The identity and the read positions of the run that continues.
            is_new = False
            self._id = event.get("id", self._id)
            if "until" in event:
                self._offsets[event["key"], event["history"]] = event["until"]
        if is_new:
            uri = without_credentials(tracking_uri)
            self._journal.append([_event("open", id=self._id, uri=uri, experiment=experiment)])

    def start_run(self, key: str, name: str, parent: str | None, tags: Mapping[str, str]) -> None:
        """Starts the MLflow run ``key`` in the run ``parent``, or sets it to running again."""
        run_key = f"{self._id}/{key}"
        event = _event("start_run", key, name=name, parent=parent, run_key=run_key, tags=dict(tags))
        self._record(event)

    def log_params(self, key: str, params: Mapping[str, object]) -> None:
        """Logs parameters."""
        pairs = batches(param_texts(params).items(), PARAMS_PER_BATCH)
        self._record(*(_event("log_params", key, params=dict(batch)) for batch in pairs))

    def log_metrics(self, key: str, points: Iterable[Point]) -> None:
        """Logs points of metrics."""
        self._record(*_metric_events(key, points))

    def log_new_history(self, key: str, history: Path) -> None:
        """Logs the lines of a ``history.jsonl`` that are new since the last call.

        Cheap enough to call for every line: it reads the file every ``HISTORY_SECONDS``, and
        ``end_run`` and ``flush`` log the rest. The file is identified by its name, so it may have
        moved when its artifact was finished.
        """
        with self._lock:
            self._histories[key, history.name] = history
            if time.monotonic() - self._history_read_at >= HISTORY_SECONDS:
                self._log_new_lines(key)
                self._history_read_at = time.monotonic()

    def log_artifact(self, key: str, path: Path, artifact_path: str = "") -> None:
        """Uploads a file into, or the content of a directory as, ``artifact_path``.

        The file must stay where it is until it is sent: log only what is finished.
        """
        where = {"path": str(path.absolute()), "artifact_path": artifact_path}
        self._record(_event("log_artifact", key, **where))

    def log_artifacts(
        self, key: str, artifact: str, files: Iterable[tuple[Path, str]], *, reused: bool
    ) -> None:
        """Uploads the files of a stage's artifact; of one that is reused only if no run has them.

        Args:
            key: the run.
            artifact: names the artifact, the same for the same content.
            files: each with its place in the run, as for ``log_artifact``.
            reused: whether an earlier run made it: then a link to the run that holds the files
              takes the place of an upload.
        """
        listed = [(str(path.absolute()), place) for path, place in files]
        if listed:
            self._record(
                _event("log_artifacts", key, artifact=artifact, files=listed, reused=reused)
            )

    def log_dataset(
        self,
        key: str,
        name: str,
        digest: str,
        source: str,
        *,
        profile: Mapping[str, object] | None = None,
        context: str = "",
    ) -> None:
        """Logs a data set as an input of the run.

        MLflow takes 36 characters of a digest: the whole one goes into the profile.
        ``context`` says what it was used for, such as ``training``.
        """
        described = {
            "name": name,
            "digest": digest[:DIGEST_LENGTH],
            "source": source,
            "schema": {},
            "profile": {"digest": digest, **(profile or {})},
            "context": context,
        }
        self._record(_event("log_dataset", key, **described))

    def end_run(self, key: str, status: RunStatus, tags: Mapping[str, str] | None = None) -> None:
        """Ends the run with a status; a server that was unreachable is tried again."""
        with self._lock:
            self._log_new_lines(key)
            # The last points of the history come first: nothing is logged to a run that has ended.
            event = _event("end_run", key, status=status, tags=dict(tags or {}))
            self._record(event, try_again=self._lost_seconds < PATIENCE_SECONDS)

    def flush(self) -> int:
        """Tries a server that was unreachable again; returns how many events are still unsent."""
        with self._lock:
            for key in {key for key, _ in self._histories}:
                self._log_new_lines(key)
        self.send()
        return self._journal.unsent()

    def send(self) -> None:
        """Sends what is unsent, from any thread; an unreachable server is only logged."""
        # Imported here, so that the sending thread is the one that waits for the import of MLflow.
        load_client()
        from components.tracking.delivery import Delivery

        with self._sending:
            began = time.monotonic()
            try:
                if self._delivery is None:
                    self._delivery = Delivery(self._journal, self._tracking_uri, self._experiment)
                sent = self._delivery.send()
            except ServerUnreachableError as error:
                self._lost_seconds += time.monotonic() - began
                if not self._unreachable:
                    _LOG.warning(
                        "The tracking server %s does not answer (%s). The run continues: what it "
                        "logs is kept in %s and sent once the server answers again, at the latest "
                        "by the next run.",
                        without_credentials(self._tracking_uri),
                        error,
                        self._journal.path,
                    )
                self._unreachable = True
                return
            if self._unreachable and sent:
                _LOG.info("The tracking server answers again: %d kept events were sent.", sent)
            self._unreachable = False

    def beat(self, key: str) -> None:
        """Renews the heartbeat of a run, if its server has it; raises whatever the server does.

        Past the journal: a heartbeat that comes late is none.
        """
        run_id = self.run_id(key)
        if self._delivery is not None and run_id is not None:
            self._delivery.set_tags(run_id, heartbeat_tag())

    @property
    def is_unreachable(self) -> bool:
        """Whether the server did not answer the last time."""
        return self._unreachable

    def run_id(self, key: str) -> str | None:
        """The id of the MLflow run; None as long as the server has not made it."""
        return self._journal.cursor().runs.get(key)

    def page(self, key: str) -> str | None:
        """The address of a run's page; None if it is not known yet or the store has no pages."""
        cursor, uri = self._journal.cursor(), without_credentials(self._tracking_uri)
        if key not in cursor.runs or not cursor.experiment or not uri.startswith("http"):
            return None
        return f"{uri.rstrip('/')}/{run_page(cursor.experiment, cursor.runs[key])}"

    def _log_new_lines(self, key: str) -> None:
        """Logs the lines of a run's histories that the journal does not have yet."""
        for (run, name), history in self._histories.items():
            if run == key:
                points, offset = read_points(history, self._offsets.get((run, name), 0))
                # Kept with the events, so that a run that continues reads on from there.
                position = {"history": name, "until": offset}
                self._record(*(event | position for event in _metric_events(key, points)))
                self._offsets[run, name] = offset

    def _record(self, *events: Event, try_again: bool = False) -> None:
        if not events:
            return
        self._journal.append(events)
        if self._on_record is not None:
            self._on_record()
        elif try_again or not self._unreachable:
            self.send()


def _event(kind: str, key: str = "", **rest: object) -> Event:
    return {
        "event": kind,
        "key": key,
        "milliseconds": time.time_ns() // 1_000_000,
        **rest,
    }


def _metric_events(key: str, points: Iterable[Point]) -> list[Event]:
    rows = (
        (safe_name(point.name), point.value, point.step, point.timestamp_milliseconds)
        for point in points
    )
    return [_event("log_metrics", key, points=batch) for batch in batches(rows, POINTS_PER_BATCH)]
