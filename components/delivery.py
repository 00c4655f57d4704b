"""Sends the events of a journal to MLflow: in order, and each once.

An event may be applied again after a crash between the request and the note of it, so each kind
is applied in a way that a second time changes nothing: a run is looked for by its tag before it
is made, a parameter keeps its value, MLflow drops a metric point that it has.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.journal import Cursor, Event, Journal
from components.mlflow_client import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    MlflowClient,
    Param,
    RunTag,
    connect,
    ensure_experiment,
    first_line,
    is_final,
    patient,
    quoted,
    reason,
)

RUN_KEY_TAG = "rnnflow.run_key"
UPLOAD_SECONDS = 30
ATTEMPTS = 5
"""How often an event may fail while the server answers other questions."""

_LOG = logging.getLogger("rnnflow")


class AwayError(Exception):
    """The server does not answer now; it may later. Never leaves the tracking modules."""


class _GoneError(Exception):
    """A file that was to be uploaded is not there any more."""


class Delivery:
    """Applies the events of one journal to one tracking server."""

    def __init__(self, journal: Journal, tracking_uri: str, experiment: str) -> None:
        self._journal = journal
        self._tracking_uri = tracking_uri
        self._experiment = experiment
        self._client: MlflowClient | None = None
        self._experiment_id = ""

    def send(self) -> int:
        """Sends what is unsent; returns how many events that were.

        Raises:
          AwayError: the server does not answer; what was sent until then is noted.
        """
        with self._journal.sending():
            before = cursor = self._journal.cursor()
            sent = 0
            try:
                for event, end in self._journal.read(cursor.offset):
                    cursor, failure = self._settle(event, end, cursor)
                    if failure is not None:
                        raise AwayError(reason(failure)) from failure
                    sent += 1
            finally:
                if cursor != before:
                    self._journal.move_cursor(cursor)
        return sent

    def _settle(self, event: Event, end: int, cursor: Cursor) -> tuple[Cursor, Exception | None]:
        """Applies one event, or puts it aside where the server will never take it."""
        runs = dict(cursor.runs)
        try:
            self._apply(event, runs)
        except Exception as error:
            # Whatever a tracking client raises must not reach the one that is tracked.
            if not _is_hopeless(error):
                cursor = self._count_attempt(cursor)
                if cursor.attempts < ATTEMPTS:
                    return cursor, error
            self._put_aside(event, error)
        return Cursor(end, runs), None

    def _put_aside(self, event: Event, error: Exception) -> None:
        self._journal.reject(event, first_line(error))
        _LOG.warning(
            "MLflow refused %s of %s: %s. It is kept in %s, the run goes on.",
            event["event"],
            event.get("key"),
            first_line(error),
            self._journal.rejected_path,
        )

    def _count_attempt(self, cursor: Cursor) -> Cursor:
        """One attempt more, if the server answers a plain question: then the event is at fault."""
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
            runs[key] = self._started(client, event, runs)
        elif kind != "open":
            _APPLY[kind](client, runs[key], event)

    def _started(self, client: MlflowClient, event: Event, runs: dict[str, str]) -> str:
        known = runs.get(event["key"]) or self._find_run(client, event["run_key"])
        if known:
            client.update_run(known, status="RUNNING")
            client.log_batch(known, tags=_tags(event))
            return known
        tags = dict(event["tags"])
        if event["parent"] is not None:
            tags["mlflow.parentRunId"] = runs[event["parent"]]
        run = client.create_run(
            self._experiment_now(client),
            start_time=event["milliseconds"],
            run_name=event["name"],
            tags=tags | {RUN_KEY_TAG: event["run_key"]},
        )
        return str(run.info.run_id)

    def _find_run(self, client: MlflowClient, run_key: str) -> str | None:
        query = f"tags.`{RUN_KEY_TAG}` = {quoted(run_key)}"
        found = client.search_runs([self._experiment_now(client)], query, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _experiment_now(self, client: MlflowClient) -> str:
        if not self._experiment_id:
            self._experiment_id = ensure_experiment(client, self._experiment)
        return self._experiment_id


def _is_hopeless(error: Exception) -> bool:
    """The server refuses for good, the run was refused (KeyError), or the file is gone."""
    return is_final(error) or isinstance(error, KeyError | _GoneError)


def _tags(event: Event) -> list[RunTag]:
    return [RunTag(name, value) for name, value in event["tags"].items()]


def _log_params(client: MlflowClient, run: str, event: Event) -> None:
    client.log_batch(run, params=[Param(name, text) for name, text in event["params"].items()])


def _log_metrics(client: MlflowClient, run: str, event: Event) -> None:
    points = [Metric(name, value, ms, step) for name, value, step, ms in event["points"]]
    client.log_batch(run, metrics=points)


def _set_tags(client: MlflowClient, run: str, event: Event) -> None:
    client.log_batch(run, tags=_tags(event))


def _log_artifact(client: MlflowClient, run: str, event: Event) -> None:
    path, destination = Path(event["path"]), event["artifact_path"] or None
    if not path.exists():
        raise _GoneError(f"{path} is gone")
    with patient(UPLOAD_SECONDS):
        if path.is_dir():
            client.log_artifacts(run, str(path), destination)
        else:
            client.log_artifact(run, str(path), destination)


def _log_dataset(client: MlflowClient, run: str, event: Event) -> None:
    dataset = Dataset(
        name=event["name"],
        digest=event["digest"],
        source_type="local",
        source=json.dumps({"uri": event["source"]}),
        schema=json.dumps(event["schema"]),
        profile=json.dumps(event["profile"]),
    )
    tags = [InputTag("mlflow.data.context", event["context"])] if event["context"] else []
    client.log_inputs(run, [DatasetInput(dataset, tags)])


def _end_run(client: MlflowClient, run: str, event: Event) -> None:
    _set_tags(client, run, event)
    client.set_terminated(run, event["status"], end_time=event["milliseconds"])


_APPLY: dict[str, Callable[[MlflowClient, str, dict[str, Any]], None]] = {
    "log_params": _log_params,
    "log_metrics": _log_metrics,
    "set_tags": _set_tags,
    "log_artifact": _log_artifact,
    "log_dataset": _log_dataset,
    "end_run": _end_run,
}
