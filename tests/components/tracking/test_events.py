from __future__ import annotations

from pathlib import Path

import pytest

from components.tracking.client import MlflowClient, connect, ensure_experiment
from components.tracking.events import APPLY, ARTIFACT_TAG, ARTIFACTS_IN_TAG, GoneError

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture
def client(store: str) -> MlflowClient:
    return connect(store)


@pytest.fixture
def run(client: MlflowClient, tmp_path: Path) -> str:
    return str(client.create_run(ensure_experiment(client, tmp_path.name)).info.run_id)


def test_a_metric_that_is_no_number_or_infinite_is_taken(client: MlflowClient, run: str) -> None:
    points = [["loss", float("nan"), 1, 10], ["loss", float("inf"), 2, 20]]
    APPLY["log_metrics"](client, run, {"points": points})
    first, second = client.get_metric_history(run, "loss")
    assert first.value != first.value
    assert second.value > 1e300


def test_a_file_goes_into_a_folder_and_a_directory_becomes_one(
    client: MlflowClient, run: str, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "file.txt"
    file.write_text("text")
    for path, artifact_path in ((file, ""), (file, "a"), (folder, "b")):
        event = {"path": str(path), "artifact_path": artifact_path}
        APPLY["log_artifact"](client, run, event)
    for where, expected in ((None, {"a", "b", "file.txt"}), ("a", {"a/file.txt"})):
        assert {one.path for one in client.list_artifacts(run, where)} == expected
    assert [one.path for one in client.list_artifacts(run, "b")] == ["b/file.txt"]


def test_a_file_that_is_gone_is_told_apart_from_a_store_that_is_away(
    client: MlflowClient, run: str, tmp_path: Path
) -> None:
    event = {"path": str(tmp_path / "gone"), "artifact_path": ""}
    with pytest.raises(GoneError, match="gone is gone"):
        APPLY["log_artifact"](client, run, event)


def _artifact(path: Path, *, reused: bool, more: tuple[Path, ...] = ()) -> dict[str, object]:
    files = [[str(each), ""] for each in (path, *more)]
    return {"artifact": "model/fingerprint", "files": files, "reused": reused}


def test_an_artifact_that_is_reused_is_not_uploaded_again_but_linked(
    client: MlflowClient, run: str, tmp_path: Path
) -> None:
    file = tmp_path / "weights"
    file.write_text("weights")
    APPLY["log_artifacts"](client, run, _artifact(file, reused=False))
    experiment = ensure_experiment(client, tmp_path.name)
    again = str(client.create_run(experiment).info.run_id)
    APPLY["log_artifacts"](client, again, _artifact(file, reused=True))
    assert [one.path for one in client.list_artifacts(run)] == ["weights"]
    assert client.list_artifacts(again) == []
    tags = client.get_run(again).data.tags
    assert tags[ARTIFACTS_IN_TAG] == run
    assert f"#/experiments/{experiment}/runs/{run}" in tags["mlflow.note.content"]
    # An event that is applied again, after a kill, does not make a run refer to itself.
    APPLY["log_artifacts"](client, run, _artifact(file, reused=True))
    assert ARTIFACTS_IN_TAG not in client.get_run(run).data.tags


def test_a_reused_artifact_that_no_run_holds_any_more_is_uploaded(
    client: MlflowClient, run: str, tmp_path: Path
) -> None:
    file = tmp_path / "weights"
    file.write_text("weights")
    APPLY["log_artifacts"](client, run, _artifact(file, reused=True))
    assert [one.path for one in client.list_artifacts(run)] == ["weights"]
    client.delete_run(run)
    again = str(client.create_run(ensure_experiment(client, tmp_path.name)).info.run_id)
    APPLY["log_artifacts"](client, again, _artifact(file, reused=True))
    assert [one.path for one in client.list_artifacts(again)] == ["weights"]


def test_no_run_refers_to_an_artifact_of_which_a_file_was_gone(
    client: MlflowClient, run: str, tmp_path: Path
) -> None:
    file = tmp_path / "weights"
    file.write_text("weights")
    event = _artifact(tmp_path / "gone", reused=False, more=(file,))
    with pytest.raises(GoneError, match="gone: gone before"):
        APPLY["log_artifacts"](client, run, event)
    assert [one.path for one in client.list_artifacts(run)] == ["weights"]
    assert ARTIFACT_TAG not in client.get_run(run).data.tags


def test_a_data_set_says_what_it_was_used_for(client: MlflowClient, run: str) -> None:
    event = {
        "name": "vowels",
        "digest": "d" * 36,
        "source": "train.jsonl",
        "schema": {"coefficients": "numeric"},
        "profile": {"rows": 270},
        "context": "training",
    }
    APPLY["log_dataset"](client, run, event)
    inputs = client.get_run(run).inputs
    assert inputs is not None
    (logged,) = inputs.dataset_inputs
    assert logged.dataset.source == '{"uri": "train.jsonl"}'
    assert [(tag.key, tag.value) for tag in logged.tags] == [("mlflow.data.context", "training")]


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_ends_with_its_status_at_its_time(
    client: MlflowClient, run: str, status: str
) -> None:
    APPLY["end_run"](client, run, {"status": status, "milliseconds": 12_345, "tags": {"a": "b"}})
    found = client.get_run(run)
    assert (found.info.status, found.info.end_time) == (status, 12_345)
    assert found.data.tags["a"] == "b"
