"""How this project reaches MLflow: a client per call site, no global state, quiet and bounded.

MLflow's own defaults wait about four minutes on a server that is gone; here a request waits
``TIMEOUT_SECONDS`` and is not repeated, unless the user set MLflow's variables. ``WAIT_DEFAULTS``
and ``QUIET_DEFAULTS`` list what is set, each only where the user did not.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

TIMEOUT_SECONDS = 5

WAIT_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT_SECONDS),
    # PostgreSQL's own, where MLflow's address is that of a database.
    "PGCONNECT_TIMEOUT": str(TIMEOUT_SECONDS),
}
QUIET_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_USER_SET_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT" in os.environ
# MLflow reads some of them while it is imported: everything of MLflow is imported from here.
for _name, _value in (WAIT_DEFAULTS | QUIET_DEFAULTS).items():
    os.environ.setdefault(_name, _value)

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import (  # noqa: E402
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModel,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.entities.model_registry import ModelVersion  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

from components.artifacts.storage import locked_file  # noqa: E402
from components.tracking.values import NOTE_TAG  # noqa: E402

__all__ = [
    "Dataset",
    "DatasetInput",
    "InputTag",
    "LoggedModel",
    "LoggedModelOutput",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "ModelVersion",
    "Param",
    "Run",
    "RunTag",
    "artifact_root",
    "connect",
    "ensure_experiment",
    "find_experiment",
    "quoted",
    "request_timeout",
    "sqlite_file",
]

_ARTIFACT_ROOT_VARIABLE = "_MLFLOW_SERVER_ARTIFACT_ROOT"
_CHATTY_LOGGERS = ("alembic", "mlflow", "urllib3.connectionpool")


def connect(tracking_uri: str) -> MlflowClient:
    """A client of the tracking server and its registry; no request is sent yet.

    A SQLite store is opened, and made if it is missing, with its artifacts beside the file.
    """
    for name in _CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    database = sqlite_file(tracking_uri)
    if database is None:
        if not tracking_uri.startswith("http"):
            _connect_to_databases_once()
        return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    if not database.exists():
        _create_database(database)
    with _default_artifact_root(artifact_root(database)):
        return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def _connect_to_databases_once() -> None:
    """MLflow tries ten times, for two minutes, to reach a database, and has no setting for that."""
    # Here, since it loads SQLAlchemy, which takes a second and which other stores do without.
    import mlflow.store.db.utils

    mlflow.store.db.utils.MAX_RETRY_COUNT = 1


def _create_database(database: Path) -> None:
    """Makes a SQLite store that is there with its whole schema, or not at all.

    MLflow makes the tables one by one, and SQLite commits each: a process that is killed on the way
    leaves a database that no later start can use or complete.
    """
    # Here, since it loads SQLAlchemy, which takes a second and which other stores do without.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with locked_file(database.with_name(f"{database.name}.lock")) as lock:
        # Whoever had the lock before may have made it.
        if not database.exists():
            partial = database.with_name(f"{database.name}.partial")
            partial.unlink(missing_ok=True)
            store = SqlAlchemyStore(  # type: ignore[no-untyped-call]  # MLflow has no types here.
                f"sqlite:///{partial}", artifact_root(database)
            )
            store.engine.dispose()
            partial.replace(database)
        # From now on nobody needs the lock: who waits for it finds the database.
        Path(lock.name).unlink(missing_ok=True)


# A run's stages, its sender and its heartbeat connect in threads of their own.
_ENVIRONMENT_LOCK = threading.Lock()


@contextlib.contextmanager
def _default_artifact_root(uri: str) -> Iterator[None]:
    # Without it the store makes an empty "mlruns" in the current directory.
    with _ENVIRONMENT_LOCK:
        before = os.environ.get(_ARTIFACT_ROOT_VARIABLE)
        os.environ[_ARTIFACT_ROOT_VARIABLE] = uri
        try:
            yield
        finally:
            del os.environ[_ARTIFACT_ROOT_VARIABLE]
            if before is not None:
                os.environ[_ARTIFACT_ROOT_VARIABLE] = before


def sqlite_file(tracking_uri: str) -> Path | None:
    """The file of a ``sqlite:///`` address, absolute; None for any other address."""
    prefix = "sqlite:///"
    if not tracking_uri.startswith(prefix):
        return None
    return Path(tracking_uri.removeprefix(prefix)).absolute()


def artifact_root(database: Path) -> str:
    """Where the artifacts of a SQLite store lie: a directory beside its file."""
    return (database.parent / "mlartifacts").as_uri()


def find_experiment(client: MlflowClient, name: str) -> str | None:
    """The id of an experiment, also of a deleted one; None if there is none."""
    found = client.get_experiment_by_name(name)
    return None if found is None else str(found.experiment_id)


def ensure_experiment(client: MlflowClient, name: str, note: str = "") -> str:
    """The id of an experiment, which is created, or restored if it was deleted.

    It gets a description, ``note`` or that of the runs of a pipeline, and its kind; what a person
    wrote there is kept.
    """
    tags = {
        # Without it MLflow guesses the kind, and shows the pages of language models.
        "mlflow.experimentKind": "custom_model_development",
        NOTE_TAG: note
        or (
            f"The runs of the pipeline `{name}`: a row a run, and folded below it a nested run a "
            "stage. Choose settings by `best/validation_...`, which were measured on the "
            "validation split. `test/...` are for the gate alone: whoever chooses by them finds "
            "settings that fit the test split. The tag `rnnflow.status` says how a run ended, its "
            f"description why. Versions: [{name}](#/models/{name}?workflowType=machine_learning)."
        ),
    }
    found = client.get_experiment_by_name(name)
    if found is None:
        database = sqlite_file(client.tracking_uri)
        location = None if database is None else artifact_root(database)
        return str(client.create_experiment(name, artifact_location=location, tags=tags))
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    for tag, text in tags.items():
        if not found.tags.get(tag):
            client.set_experiment_tag(found.experiment_id, tag, text)
    return str(found.experiment_id)


@contextlib.contextmanager
def request_timeout(seconds: int) -> Iterator[None]:
    """Allows requests more time while this is open: for uploads to a server that has answered.

    A timeout that the user set is kept.
    """
    if _USER_SET_TIMEOUT:
        yield
        return
    before = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(seconds)
    try:
        yield
    finally:
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = before


def quoted(text: str) -> str:
    """Quotes a value for a search filter."""
    mark = '"' if "'" in text else "'"
    return f"{mark}{text}{mark}"
