"""The servers without containers: started, asked with and without a password, and ended."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.registry.aliases import version_with_alias
from components.registry.ledger import Ledger
from components.tracking.client import connect
from tests.components.mlflow_server import free_port
from tests.measured import MEASURED

pytestmark = pytest.mark.slow

PREFECT_USER = 'me:it\'s $HOME & "more"'
"""A password with what a shell would act on."""


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not pytest's own, which the user ``postgres`` cannot reach when root runs the tests."""
    with tempfile.TemporaryDirectory(prefix="rnnflow-local-") as parent:
        Path(parent).chmod(0o711)
        yield Path(parent) / "servers"


def _local(
    infra: Path, *arguments: str | Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    environment.pop(MEASURED, None)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return subprocess.run(
        [str(infra / "local.sh"), *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _exports(output: str) -> dict[str, str]:
    """The variables as a shell reads them."""
    pairs = [shlex.split(line.removeprefix("export ")) for line in output.splitlines()]
    return dict(pair.split("=", 1) for (pair,) in pairs)


def _ask(url: str, user: str | None = None, body: object = None) -> tuple[int, str]:
    """Status and text of the answer; ``user`` is name:password."""
    request = urllib.request.Request(url)
    if user is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _processes_of(directory: Path) -> list[str]:
    """Command lines of processes that were started for the directory, zombies aside."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (process / "environ").read_bytes().decode(errors="replace")
            at = str((process / "cwd").readlink())
        except (OSError, UnicodeDecodeError):
            continue
        if int(process.name) != os.getpid() and str(directory) in f"{command} {environment} {at}":
            found.append(command)
    return found


def test_the_servers_start_ask_for_passwords_keep_their_data_and_end(
    infra: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "RNNFLOW_POSTGRES_PORT": str(free_port()),
        "RNNFLOW_MLFLOW_PORT": str(free_port()),
        "RNNFLOW_PREFECT_PORT": str(free_port()),
        "PREFECT_API_AUTH_STRING": PREFECT_USER,
    }
    try:
        started = _local(infra, "start", directory, **variables)
        assert started.returncode == 0, started.stderr
        exports = _exports(started.stdout)
        mlflow, prefect = exports["MLFLOW_TRACKING_URI"], exports["PREFECT_API_URL"]
        assert mlflow == f"http://127.0.0.1:{variables['RNNFLOW_MLFLOW_PORT']}"
        assert exports["PREFECT_API_AUTH_STRING"] == PREFECT_USER
        settings = directory / "settings.env"
        assert settings.stat().st_mode & 0o777 == 0o600
        user = f"{exports['MLFLOW_TRACKING_USERNAME']}:{exports['MLFLOW_TRACKING_PASSWORD']}"

        create = f"{mlflow}/api/2.0/mlflow/experiments/create"
        assert _ask(create, None, {"name": "kept"})[0] == 401
        assert _ask(create, "admin:wrong-password", {"name": "kept"})[0] == 401
        assert _ask(create, user, {"name": "kept"})[0] == 200
        # The pipeline's user manages what it has made, reads the rest, and makes no users.
        values = dict(line.split("=", 1) for line in settings.read_text().splitlines())
        administrator = f"admin:{values['MLFLOW_AUTH_ADMIN_PASSWORD']}"
        _, made = _ask(create, administrator, {"name": "other"})
        other = json.loads(made)["experiment_id"]
        update = {"experiment_id": other, "new_name": "taken"}
        assert _ask(f"{mlflow}/api/2.0/mlflow/experiments/update", user, update)[0] == 403
        assert (
            _ask(f"{mlflow}/api/2.0/mlflow/experiments/get?experiment_id={other}", user)[0] == 200
        )
        newcomer = {"username": "newcomer", "password": "a-long-password"}
        assert _ask(f"{mlflow}/api/2.0/mlflow/users/create", user, newcomer)[0] == 403
        # A model that does not exist yet is none, where MLflow says "permission denied" at times.
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            monkeypatch.setenv(name, exports[name])
        client = connect(mlflow)
        assert version_with_alias(client, "new", "champion") is None
        assert Ledger(client, "new").append("promote", None, 1, "the first").number == 1
        assert _ask(f"{prefect}/automations/count", None, {})[0] == 401
        assert _ask(f"{prefect}/automations/count", PREFECT_USER, {}) == (200, "1")
        # Each server has a role of its own, which the database of the other refuses.
        assert _connect(values, "mlflow", "mlflow_auth").returncode == 0
        refused = _connect(values, "mlflow", "prefect")
        assert "permission denied" in refused.stderr
        # Nothing listens but on loopback.
        listening = re.findall(r"\S+", Path("/proc/net/tcp").read_text())
        for name in ("RNNFLOW_POSTGRES_PORT", "RNNFLOW_MLFLOW_PORT", "RNNFLOW_PREFECT_PORT"):
            assert f"00000000:{int(variables[name]):04X}" not in listening
            assert f"0100007F:{int(variables[name]):04X}" in listening

        assert len(_processes_of(directory)) >= 3
        processes = sorted(path.read_text() for path in directory.glob("*.pid"))
        again = _local(infra, "start", directory)
        assert (again.returncode, again.stdout) == (0, started.stdout)
        assert sorted(path.read_text() for path in directory.glob("*.pid")) == processes

        assert _local(infra, "stop", directory).returncode == 0
        assert _processes_of(directory) == []

        assert _local(infra, "start", directory).stdout == started.stdout
        found = _ask(f"{mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept", user)
        assert found[0] == 200
        assert _ask(f"{prefect}/automations/count", PREFECT_USER, {}) == (200, "1")
    finally:
        stopped = _local(infra, "stop", directory)
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert _processes_of(directory) == []
    assert _local(infra, "stop", directory).returncode == 0


def _connect(values: dict[str, str], role: str, database: str) -> subprocess.CompletedProcess[str]:
    address = f"host=127.0.0.1 port={values['RNNFLOW_POSTGRES_PORT']} user={role} dbname={database}"
    return subprocess.run(
        ["psql", address, "--command=SELECT 1"],
        env={**os.environ, "PGPASSWORD": values["MLFLOW_DATABASE_PASSWORD"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_start_that_fails_says_why_and_leaves_no_process(infra: Path, directory: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        failed = _local(
            infra, "start", directory,
            RNNFLOW_POSTGRES_PORT=str(free_port()), RNNFLOW_MLFLOW_PORT=port,
        )  # fmt: skip
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert f"expected port {port} to be free for mlflow" in failed.stderr
    assert "RNNFLOW_MLFLOW_PORT" in failed.stderr
    assert _processes_of(directory) == []


@pytest.mark.parametrize("arguments", [[], ["start"], ["restart", "x"], ["stop", "a", "b"]])
def test_other_arguments_get_the_usage(infra: Path, arguments: list[str]) -> None:
    refused = _local(infra, *arguments)
    assert refused.returncode == 1
    assert "start|stop DIRECTORY" in refused.stderr


def test_stop_makes_no_directory(infra: Path, directory: Path) -> None:
    refused = _local(infra, "stop", directory)
    assert refused.returncode == 1
    assert "expected a directory that start has made" in refused.stderr
    assert not directory.exists()
