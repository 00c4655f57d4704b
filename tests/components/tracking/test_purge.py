"""What is removed for good from a database of one's own, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.tracking.client import MlflowException, artifact_root, connect, sqlite_file
from components.tracking.purge import purge, size_in

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "artifact.bin"
    path.write_bytes(b"x" * 1000)
    return path


def test_runs_and_models_go_with_their_files_and_others_stay(
    store: str, tmp_path: Path, file: Path
) -> None:
    client, database = connect(store), sqlite_file(store)
    assert database is not None
    experiment = client.create_experiment(tmp_path.name, artifact_root(database))
    runs = [client.create_run(experiment).info for _ in range(2)]
    for run in runs:
        client.log_artifact(run.run_id, str(file))
        client.log_param(run.run_id, "a", "b")
        client.log_metric(run.run_id, "m", 1.0)
    model = client.create_logged_model(experiment, "model", source_run_id=runs[0].run_id)
    client.log_model_artifacts(model.model_id, str(tmp_path))
    addresses = {
        runs[0].run_id: str(runs[0].artifact_uri),
        model.model_id: model.artifact_location,
    }
    assert size_in(database, addresses) == 2000
    purge(database, [runs[0].run_id], [model.model_id])
    assert size_in(database, addresses) == 0
    assert size_in(database, {runs[1].run_id: str(runs[1].artifact_uri)}) == 1000
    with pytest.raises(MlflowException, match="not found"):
        client.get_run(runs[0].run_id)
    with pytest.raises(MlflowException, match="not found"):
        client.get_logged_model(model.model_id)
    assert client.get_run(runs[1].run_id).data.params == {"a": "b"}


def test_a_copied_database_removes_no_file_of_the_original(
    store: str, tmp_path: Path, file: Path
) -> None:
    client, database = connect(store), sqlite_file(store)
    assert database is not None
    # As the copy of a work directory has it: the addresses are those of the original.
    elsewhere = tmp_path / "original" / "mlartifacts"
    experiment = client.create_experiment(tmp_path.name, elsewhere.as_uri())
    run = client.create_run(experiment).info
    client.log_artifact(run.run_id, str(file))
    addresses = {run.run_id: str(run.artifact_uri)}
    assert size_in(database, addresses) == 0
    purge(database, addresses, [])
    assert [path.name for path in elsewhere.rglob("*.bin")] == ["artifact.bin"]
