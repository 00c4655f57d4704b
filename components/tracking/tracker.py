"""What a pipeline run tells MLflow: written to a journal first, then sent.

A ``Tracker`` belongs to one pipeline run and holds its MLflow runs by a key: ``pipeline`` for the
parent, the name of a stage for each nested one. A server that is away never stops the pipeline:
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

from components.tracking.journal import AwayError, Event, Journal, without_credentials
from components.tracking.values import (
    PARAMS_A_BATCH,
    POINTS_A_BATCH,
    Point,
    batches,
    flat_params,
    read_points,
    safe_name,
)

if TYPE_CHECKING:
    from components.tracking.delivery import Delivery

__all__ = [
    "STATUS_TAG",
    "WORK_DIR_TAG",
    "Point",
    "RunStatus",
    "Tracker",
]

RunStatus: TypeAlias = Literal["FINISHED", "FAILED", "KILLED"]

WORK_DIR_TAG = "rnnflow.work_dir"
STATUS_TAG = "rnnflow.status"
PATIENCE_SECONDS = 10.0
"""Time that one run may lose to a server that is away before only ``flush`` asks it again."""
FOLLOW_SECONDS = 1.0
DIGEST_LENGTH = 36

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
        self._lock = threading.RLock()
        self._sending = threading.Lock()
        self._histories: dict[tuple[str, str], Path] = {}
        self._offsets: dict[tuple[str, str], int] = {}
        self._followed_at = -math.inf
        self._id = uuid.uuid4().hex
        self._away = False
        self._lost_seconds = 0.0
        if not self._recall():
            uri = without_credentials(tracking_uri)
            self._journal.append([_event("open", id=self._id, uri=uri, experiment=experiment)])

    def start_run(self, key: str, name: str, parent: str | None, tags: Mapping[str, str]) -> None:
        """Starts the MLflow run ``key``, nested in the run ``parent``; or starts it once more."""
        run_key = f"{self._id}/{key}"
        self._record(
            _event(
                "start_run",
                key,
                name=name,
                parent=parent,
                run_key=run_key,
                tags=_texts(tags),
            )
        )

    def log_params(self, key: str, params: Mapping[str, object]) -> None:
        """Logs parameters; nested mappings get dotted names."""
        pairs = batches(flat_params(params).items(), PARAMS_A_BATCH)
        self._record(*(_event("log_params", key, params=dict(batch)) for batch in pairs))

    def log_metrics(self, key: str, points: Iterable[Point]) -> None:
        """Logs points of metrics."""
        self._record(*_metric_events(key, points))

    def follow(self, key: str, history: Path) -> None:
        """Logs the lines of a ``history.jsonl`` that are new since the last call.

        Cheap enough for every line: it looks every ``FOLLOW_SECONDS``, and ``end_run`` and
        ``flush`` log the rest. The file is known by its name, so it may have moved when its
        artifact was finished.
        """
        with self._lock:
            self._histories[key, history.name] = history
            if time.monotonic() - self._followed_at >= FOLLOW_SECONDS:
                self._take_up(key)
                self._followed_at = time.monotonic()

    def log_artifact(self, key: str, path: Path, artifact_path: str = "") -> None:
        """Uploads a file into, or the content of a directory as, ``artifact_path``.

        The file must stay where it is until it is sent: log what is finished.
        """
        where = {"path": str(path.absolute()), "artifact_path": artifact_path}
        self._record(_event("log_artifact", key, **where))

    def log_dataset(
        self,
        key: str,
        name: str,
        digest: str,
        source: str,
        *,
        schema: Mapping[str, object] | None = None,
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
            "schema": dict(schema or {}),
            "profile": {"digest": digest, **(profile or {})},
            "context": context,
        }
        self._record(_event("log_dataset", key, **described))

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        """Sets tags of the run."""
        self._record(_event("set_tags", key, tags=_texts(tags)))

    def end_run(self, key: str, status: RunStatus, tags: Mapping[str, str] | None = None) -> None:
        """Ends the run with a status; a server that was away is asked again."""
        with self._lock:
            self._take_up(key)
            event = _event("end_run", key, status=status, tags=_texts(tags or {}))
            self._record(event, ask_again=self._lost_seconds < PATIENCE_SECONDS)

    def flush(self) -> int:
        """Asks the server again, if it was away; returns the events that are still unsent."""
        with self._lock:
            for key in {key for key, _ in self._histories}:
                self._take_up(key)
        self.send()
        return self._journal.unsent()

    def send(self) -> None:
        """Sends what is unsent. Any thread may call it; a server that is away is only logged."""
        with self._sending:
            self._send()

    def run_id(self, key: str) -> str | None:
        """The id of the MLflow run; None as long as the server has not made it."""
        return self._journal.cursor().runs.get(key)

    def _take_up(self, key: str) -> None:
        """Logs what the followed histories of a run hold and the journal does not."""
        for place, history in self._histories.items():
            if place[0] == key:
                points, offset = read_points(history, self._offsets.get(place, 0))
                mark = {"history": history.name, "until": offset}
                self._record(*(event | mark for event in _metric_events(key, points)))
                self._offsets[place] = offset

    def _recall(self) -> bool:
        """Takes up a journal that exists: its identity, and how far each history was read."""
        found = False
        for event, _ in self._journal.read():
            found = True
            self._id = event.get("id", self._id)
            if "until" in event:
                self._offsets[event["key"], event["history"]] = event["until"]
        return found

    def _record(self, *events: Event, ask_again: bool = False) -> None:
        if not events:
            return
        self._journal.append(events)
        if self._on_record is not None:
            self._on_record()
        elif ask_again or not self._away:
            self.send()

    def _send(self) -> None:
        began = time.monotonic()
        try:
            sent = self._delivered()
        except AwayError as error:
            self._lost_seconds += time.monotonic() - began
            self._warn(error)
            self._away = True
            return
        if self._away and sent:
            _LOG.info("The tracking server answers again: %d kept events were sent.", sent)
        self._away = False

    def _delivered(self) -> int:
        # Here, so that it is the thread that sends which waits for the import of MLflow.
        from components.tracking.delivery import Delivery

        if self._delivery is None:
            self._delivery = Delivery(self._journal, self._tracking_uri, self._experiment)
        return self._delivery.send()

    def _warn(self, error: AwayError) -> None:
        if self._away:
            return
        _LOG.warning(
            "The tracking server %s does not answer (%s). The run goes on: what it logs is kept "
            "in %s and is sent when the server is back, at the latest by the next run.",
            without_credentials(self._tracking_uri),
            error,
            self._journal.path,
        )


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
    return [_event("log_metrics", key, points=batch) for batch in batches(rows, POINTS_A_BATCH)]


def _texts(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: str(value) for name, value in tags.items()}
