"""What the tests of tracking, registry and export share.

A test module asks for it with ``pytest_plugins = ["tests.components.mlflow_fixtures"]``, and never
imports it.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.components.mlflow_server import MlflowServer
from tests.components.postgresql import PostgreSql

if TYPE_CHECKING:
    from tests.components.toy_export import ToyExport


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a SQLite store; each test uses experiments and models of its own."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@contextlib.contextmanager
def _running(server: MlflowServer) -> Iterator[MlflowServer]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def _running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with _running(MlflowServer(tmp_path_factory.mktemp("server"))) as server:
        yield server


@pytest.fixture
def server(_running_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> MlflowServer:
    """A server that answers, with time to do so on a busy machine."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    return _running_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of a PostgreSQL, which holds columns to their lengths as SQLite does not."""
    # In the temporary directory itself: the path of a socket must be short, and the server's user
    # must be able to reach it.
    with tempfile.TemporaryDirectory(prefix="rnnflow-pg-") as directory:
        database = PostgreSql(Path(directory))
        try:
            database.start()
            yield database.address
        finally:
            database.stop()


@pytest.fixture(scope="session")
def _postgresql_server(
    postgresql: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    directory = tmp_path_factory.mktemp("postgresql-server")
    with _running(MlflowServer(directory, postgresql)) as server:
        yield server


@pytest.fixture
def postgresql_server(
    _postgresql_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> MlflowServer:
    """An MLflow server on PostgreSQL."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    return _postgresql_server


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ToyExport:
    """The toy, saved once a session."""
    # Here, because most tests that use this plugin need no TensorFlow.
    from tests.components.toy_export import make_toy_export

    return make_toy_export(tmp_path_factory.mktemp("toy"))
