"""Sends the events of a journal to MLflow: in order, and each once.

After a crash between a request and the new cursor an event is applied again, so every kind is
idempotent: a run is searched by its tag before it is created, a parameter keeps its value, MLflow
drops a metric point that it has.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping

from components.tracking.client import MlflowClient, connect, ensure_experiment, quoted
from components.tracking.errors import broken_connection, first_line, is_final, reason
from components.tracking.events import APPLY, GoneError, run_tags
from components.tracking.journal import Cursor, Event, Journal, ServerUnreachableError
from components.tracking.values import RUN_NAME_LENGTH, storable

RUN_KEY_TAG = "rnnflow.run_key"
ATTEMPTS = 5
"""How often an event may fail while the server answers other requests."""

_LOG = logging.getLogger("rnnflow")


class Delivery:
    """Applies the events of one journal to one tracking server."""

    def __init__(self, journal: Journal, tracking_uri: str, experiment: str) -> None:
        self._journal = journal
        self._tracking_uri = tracking_uri
        self._experiment = experiment
        self._client: MlflowClient | None = None
        self._experiment_id = ""

    def send(self) -> int:
        """Sends what is unsent; returns how many events were sent.

        Raises:
            ServerUnreachableError: the server does not answer; the cursor is behind what was sent.
        """
        with self._journal.sending():
            before = cursor = self._journal.cursor()
            sent = 0
            try:
                for event, end in self._journal.read(cursor.offset):
                    cursor, failure = self._apply_or_reject(storable(event), end, cursor)
                    if failure is not None:
                        raise ServerUnreachableError(reason(failure)) from failure
                    sent += 1
            finally:
                # Once for all that was sent, also after an error: a kill before it sends these
                # events again, which changes nothing.
                if cursor != before:
                    self._journal.move_cursor(cursor)
        return sent

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Sets tags of a run at once, if a server was reached before; raises what MLflow does."""
        # No connection of its own: this is called while another thread may be making one.
        if self._client is not None:
            for name, value in tags.items():
                self._client.set_tag(run_id, name, value)

    def _apply_or_reject(
        self, event: Event, end: int, cursor: Cursor
    ) -> tuple[Cursor, Exception | None]:
        """Applies one event, or rejects it if the server will never take it."""
        runs = dict(cursor.runs)
        try:
            self._apply(event, runs)
        except Exception as error:
            # Whatever a tracking client raises must not stop the pipeline.
            if not (is_final(error) or isinstance(error, GoneError)):
                cursor = self._count_attempt(cursor, error)
                # Later events wait for this one: they may depend on it, as metrics on their run.
                if cursor.attempts < ATTEMPTS:
                    return cursor, error
            self._reject(event, error)
        return Cursor(end, runs, experiment=self._experiment_id or cursor.experiment), None

    def _reject(self, event: Event, error: Exception) -> None:
        self._journal.reject(event, first_line(error))
        _LOG.warning(
            "MLflow rejected %s of %s: %s. It is kept in %s; the run continues.",
            event["event"],
            event.get("key"),
            first_line(error),
            self._journal.rejected_path,
        )

    def _count_attempt(self, cursor: Cursor, error: Exception) -> Cursor:
        """Counts an attempt if the server answers a plain request: then the event is the cause."""
        if broken_connection(error):
            return cursor
        try:
            self._connected().get_experiment_by_name(self._experiment)
        except Exception:
            return cursor
        return dataclasses.replace(cursor, attempts=cursor.attempts + 1)

    def _connected(self) -> MlflowClient:
        if self._client is None:
            self._client = connect(self._tracking_uri)
        return self._client

    def _apply(self, event: Event, runs: dict[str, str]) -> None:
        client = self._connected()
        kind, key = event["event"], event.get("key", "")
        if kind == "start_run":
            runs[key] = self._start_run(client, event, runs)
        elif kind != "open":
            if kind not in APPLY or key not in runs:
                raise GoneError(f"there is no MLflow run {key!r} for {kind!r}")
            APPLY[kind](client, runs[key], event)

    def _start_run(self, client: MlflowClient, event: Event, runs: dict[str, str]) -> str:
        known = runs.get(event["key"]) or self._find_run(client, event["run_key"])
        if known:
            # A run that continues, or an event that is applied again.
            client.update_run(known, status="RUNNING")
            client.log_batch(known, tags=run_tags(event))
            return known
        tags = {tag.key: tag.value for tag in run_tags(event)}
        parent = event["parent"]
        if parent is not None:
            if parent not in runs:
                raise GoneError(f"there is no MLflow run {parent!r} to nest {event['key']!r} in")
            tags["mlflow.parentRunId"] = runs[parent]
        run = client.create_run(
            self._ensure_experiment(client),
            start_time=event["milliseconds"],
            run_name=event["name"][:RUN_NAME_LENGTH],
            tags=tags | {RUN_KEY_TAG: event["run_key"]},
        )
        return str(run.info.run_id)

    def _find_run(self, client: MlflowClient, run_key: str) -> str | None:
        query = f"tags.`{RUN_KEY_TAG}` = {quoted(run_key)}"
        found = client.search_runs([self._ensure_experiment(client)], query, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _ensure_experiment(self, client: MlflowClient) -> str:
        if not self._experiment_id:
            self._experiment_id = ensure_experiment(client, self._experiment)
        return self._experiment_id
