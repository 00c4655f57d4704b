from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

from components.errors import NotFoundError, RegistryError
from components.mlflow_client import (
    MlflowException,
    connect,
    ensure_experiment,
    find_experiment,
    is_final,
    patient,
    quoted,
    reason,
    registry_errors,
    sqlite_file,
    without_credentials,
)
from tests.components.mlflow_server import free_port

pytest_plugins = ["tests.components.mlflow_fixtures"]

FIRST_USE = """
import sys
from components.mlflow_client import connect, ensure_experiment
client = connect(sys.argv[1])
run = client.create_run(ensure_experiment(client, "quiet"))
client.set_terminated(run.info.run_id)
"""


def test_the_first_use_of_a_store_says_nothing_and_leaves_nothing_behind(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE, f"sqlite:///{tmp_path}/store/mlflow.db"],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout + done.stderr == ""
    assert list(here.iterdir()) == []
    assert [path.name for path in tmp_path.glob("store/*.db")] == ["mlflow.db"]


def test_artifacts_of_a_sqlite_store_lie_beside_its_file(store: str) -> None:
    client = connect(store)
    found = client.get_experiment(ensure_experiment(client, "beside"))
    database = sqlite_file(store)
    assert database is not None
    assert found.artifact_location == (database.parent / "mlartifacts").as_uri()


def test_an_experiment_is_made_once_and_taken_out_of_the_bin(store: str) -> None:
    client = connect(store)
    assert find_experiment(client, "binned") is None
    made = ensure_experiment(client, "binned")
    client.delete_experiment(made)
    assert ensure_experiment(client, "binned") == made == find_experiment(client, "binned")
    assert client.get_experiment(made).lifecycle_stage == "active"


def test_a_refusal_is_final_and_an_absence_is_not() -> None:
    assert is_final(MlflowException("no", INVALID_PARAMETER_VALUE))
    assert not is_final(MlflowException("gone", INTERNAL_ERROR))
    assert not is_final(ConnectionError())


def test_an_absent_server_is_a_registry_error_that_says_what_where_why_and_what_to_do() -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RegistryError) as caught, registry_errors(uri, "list the versions of m"):
        connect(uri).search_experiments()
    message = str(caught.value)
    for part in ("cannot list the versions of m", uri, "Connection refused", "Start it"):
        assert part in message


def test_a_refusal_is_a_registry_error_too(store: str) -> None:
    with pytest.raises(RegistryError, match=r"MLflow at .* refuses"), registry_errors(store, "try"):
        connect(store).get_experiment("987654")


def test_our_own_errors_pass_unchanged(store: str) -> None:
    with pytest.raises(NotFoundError, match=r"^nothing$"), registry_errors(store, "try"):
        raise NotFoundError("nothing")


def test_the_reason_of_a_broken_connection_is_what_broke_it() -> None:
    error = MlflowException("API request failed with a very long text")
    error.__context__ = ConnectionResetError(104, "Connection reset by peer")
    assert reason(error) == "[Errno 104] Connection reset by peer"
    assert reason(MlflowException("first\nsecond")) == "first"


def test_patience_lasts_as_long_as_it_is_open() -> None:
    before = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    with patient(77):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == before


def test_a_user_and_password_are_not_shown() -> None:
    assert without_credentials("https://me:secret@host:5000/x") == "https://host:5000/x"
    assert without_credentials("sqlite:////a@b/mlflow.db") == "sqlite:////a@b/mlflow.db"


@pytest.mark.parametrize("text", ["plain", "it's", 'say "hi"'])
def test_a_value_in_a_filter_is_found_again(store: str, text: str) -> None:
    client = connect(store)
    experiment = ensure_experiment(client, "quoted")
    run = client.create_run(experiment, tags={"what": text})
    found = client.search_runs([experiment], f"tags.what = {quoted(text)}")
    assert [one.info.run_id for one in found] == [run.info.run_id]
