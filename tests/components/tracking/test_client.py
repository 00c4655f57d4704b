from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.errors import RegistryAwayError
from components.tracking.client import (
    connect,
    ensure_experiment,
    find_experiment,
    quoted,
    request_timeout,
    sqlite_file,
)
from components.tracking.errors import registry_errors
from components.tracking.values import NOTE_TAG
from tests.door import Door

pytest_plugins = ["tests.components.mlflow_fixtures"]

ROOT = Path(__file__).parents[3]
FIRST_USE = """
import sys
from components.tracking.client import connect, ensure_experiment
client = connect(sys.argv[1])
run = client.create_run(ensure_experiment(client, "quiet"))
client.set_terminated(run.info.run_id)
"""


@pytest.mark.slow
def test_the_first_use_of_a_store_says_nothing_and_leaves_nothing_behind(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE, f"sqlite:///{tmp_path}/store/mlflow.db"],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout + done.stderr == ""
    assert list(here.iterdir()) == []
    assert [path.name for path in tmp_path.glob("store/*.db")] == ["mlflow.db"]


def test_a_process_killed_while_it_makes_a_store_leaves_none_that_is_half_made(
    tmp_path: Path,
) -> None:
    store = f"sqlite:///{tmp_path}/store/mlflow.db"
    with subprocess.Popen([sys.executable, "-c", FIRST_USE, store], cwd=ROOT) as process:
        # MLflow makes the first tables and then changes them in some forty migrations.
        while not any(path.stat().st_size for path in tmp_path.glob("store/*.db*")):
            assert process.poll() is None, "the store was made before the process could be killed"
            time.sleep(0.001)
        process.kill()
    assert not (tmp_path / "store" / "mlflow.db").exists()
    client = connect(store)
    ensure_experiment(client, "after a kill")
    assert find_experiment(client, "after a kill") is not None
    assert [path.name for path in tmp_path.glob("store/*")] == ["mlflow.db"]


def test_processes_that_make_a_store_at_once_share_it(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store/mlflow.db"
    command = [sys.executable, "-c", FIRST_USE, store]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    client = connect(store)
    assert len(client.search_runs([ensure_experiment(client, "quiet")])) == 3


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


def test_an_experiment_says_what_it_is_and_keeps_what_a_person_wrote(store: str) -> None:
    client = connect(store)
    tags = client.get_experiment(ensure_experiment(client, "described")).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert "best/validation_" in tags[NOTE_TAG]
    older = client.create_experiment("by hand", tags={NOTE_TAG: "mine"})
    assert ensure_experiment(client, "by hand") == older
    tags = client.get_experiment(older).tags
    assert tags[NOTE_TAG] == "mine"
    assert tags["mlflow.experimentKind"] == "custom_model_development"


def test_patience_lasts_as_long_as_it_is_open() -> None:
    before = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    with request_timeout(77):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == before


@pytest.mark.parametrize("text", ["plain", "it's", 'say "hi"'])
def test_a_value_in_a_filter_is_found_again(store: str, text: str) -> None:
    client = connect(store)
    experiment = ensure_experiment(client, "quoted")
    run = client.create_run(experiment, tags={"what": text})
    found = client.search_runs([experiment], f"tags.what = {quoted(text)}")
    assert [one.info.run_id for one in found] == [run.info.run_id]


def test_a_database_that_is_away_is_asked_once() -> None:
    with Door("http://127.0.0.1:1") as door:
        door.set("failing")
        address = door.address.removeprefix("http://")
        uri = f"postgresql://user:secret@{address}/mlflow"
        with pytest.raises(RegistryAwayError) as caught, registry_errors(uri, "look"):
            connect(uri).search_experiments()
    assert "secret" not in str(caught.value)
    # PostgreSQL's client may knock a second time, to do without encryption.
    assert 1 <= door.requests <= 2
