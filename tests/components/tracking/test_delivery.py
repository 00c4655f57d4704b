from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.tracking.client import MlflowClient, connect, find_experiment
from components.tracking.delivery import ATTEMPTS, RUN_KEY_TAG, Delivery
from components.tracking.journal import Cursor, Event, Journal, ServerUnreachableError
from tests.components.mlflow_server import free_port

pytest_plugins = ["tests.components.mlflow_fixtures"]


def event(kind: str, key: str = "pipeline", **rest: object) -> Event:
    return {"event": kind, "key": key, "milliseconds": 1_700_000_000_000, **rest}


def start(key: str = "pipeline", parent: str | None = None, run: str = "a") -> Event:
    return event("start_run", key, name=key, parent=parent, run_key=f"{run}/{key}", tags={})


def params(**values: str) -> Event:
    return event("log_params", params=values)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "tracking.jsonl")


def runs_of(client: MlflowClient, experiment: str) -> list[str]:
    found = find_experiment(client, experiment)
    assert found is not None
    return [run.info.run_id for run in client.search_runs([found])]


def test_a_run_that_was_made_but_not_noted_is_found_and_not_made_twice(
    journal: Journal, store: str
) -> None:
    journal.append([start(), start("model", "pipeline"), params(a="1")])
    assert Delivery(journal, store, "noted").send() == 3
    first = journal.cursor().runs
    journal.move_cursor(Cursor())
    assert Delivery(journal, store, "noted").send() == 3
    assert journal.cursor().runs == first
    assert sorted(runs_of(connect(store), "noted")) == sorted(first.values())
    assert connect(store).get_run(first["model"]).data.tags[RUN_KEY_TAG] == "a/model"


def test_what_is_sent_twice_is_there_once(journal: Journal, store: str) -> None:
    points = [["loss", 0.5, 1, 1000], ["loss", 0.25, 2, 2000]]
    dataset = event(
        "log_dataset", name="d", digest="d", source="f", schema={}, profile={}, context="training"
    )
    journal.append([start(), event("log_metrics", points=points), dataset, params(a="1")])
    for _ in range(2):
        journal.move_cursor(Cursor())
        Delivery(journal, store, "twice").send()
    client = connect(store)
    run = client.get_run(journal.cursor().runs["pipeline"])
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(one.step, one.value, one.timestamp) for one in history] == [
        (1, 0.5, 1000),
        (2, 0.25, 2000),
    ]
    assert run.inputs is not None
    assert len(run.inputs.dataset_inputs) == 1


def test_a_final_refusal_is_put_aside_and_does_not_block_what_follows(
    journal: Journal, store: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal.append([start(), params(a="1"), params(a="2"), params(b="3")])
    assert Delivery(journal, store, "refused").send() == 4
    run = connect(store).get_run(journal.cursor().runs["pipeline"])
    assert run.data.params == {"a": "1", "b": "3"}
    (rejected,) = map(json.loads, journal.rejected_path.read_text().splitlines())
    assert rejected["params"] == {"a": "2"}
    assert "Changing param values" in rejected["reason"]
    assert str(journal.rejected_path) in caplog.text


def test_an_artifact_that_is_gone_is_put_aside(
    journal: Journal, store: str, tmp_path: Path
) -> None:
    gone = event("log_artifact", path=str(tmp_path / "gone.txt"), artifact_path="")
    journal.append([start(), gone, params(a="1")])
    assert Delivery(journal, store, "gone").send() == 3
    assert "is gone" in journal.rejected_path.read_text()
    assert journal.unsent() == 0


def test_an_event_that_fails_again_and_again_on_a_server_that_answers_is_put_aside(
    journal: Journal, store: str, tmp_path: Path
) -> None:
    # A directory cannot be where a file is; an artifact store that is away fails in the same way.
    path = tmp_path / "file.txt"
    path.write_text("text")
    upload = event("log_artifact", path=str(path), artifact_path="")
    hopeless = event("log_artifact", path=str(path), artifact_path="file.txt")
    journal.append([start(), upload, hopeless, params(a="1")])
    for _ in range(ATTEMPTS - 1):
        with pytest.raises(ServerUnreachableError):
            Delivery(journal, store, "again").send()
    assert journal.unsent() == 2
    assert Delivery(journal, store, "again").send() == 2
    assert len(journal.rejected_path.read_text().splitlines()) == 1


def test_an_absent_server_keeps_everything_and_costs_no_attempt(journal: Journal) -> None:
    journal.append([start(), params(a="1")])
    delivery = Delivery(journal, f"http://127.0.0.1:{free_port()}", "away")
    for _ in range(2 * ATTEMPTS):
        with pytest.raises(ServerUnreachableError, match="Connection refused"):
            delivery.send()
    assert journal.unsent() == 2
    assert journal.cursor().attempts == 0
    assert not journal.rejected_path.exists()


def test_what_belongs_to_a_refused_run_is_put_aside_with_it(journal: Journal, store: str) -> None:
    journal.append([start("model", "pipeline"), event("log_params", "model", params={"a": "1"})])
    assert Delivery(journal, store, "orphan").send() == 2
    assert len(journal.rejected_path.read_text().splitlines()) == 2


def test_a_run_that_is_started_once_more_runs_again(journal: Journal, store: str) -> None:
    end = event("end_run", status="FAILED", tags={"rnnflow.status": "failed"})
    journal.append([start(), end])
    Delivery(journal, store, "more").send()
    client = connect(store)
    run_id = journal.cursor().runs["pipeline"]
    assert client.get_run(run_id).info.status == "FAILED"
    journal.append([start()])
    Delivery(journal, store, "more").send()
    assert client.get_run(run_id).info.status == "RUNNING"
    assert runs_of(client, "more") == [run_id]
