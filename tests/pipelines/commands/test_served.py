"""A server that logs, and what is found in its log: the real process, asked over HTTP."""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from components.artifacts.schema import schema_directory
from components.artifacts.values import Decision, Export
from components.data.passes.row_sample import SAMPLE, RowSample, write_sample
from components.data.row_parsing import Row, parse_row
from components.errors import NotFoundError, UserError
from components.monitoring.log_files import log_files
from components.registry.registry import promote, register_model
from components.tracking.client import connect, find_experiment
from pipelines.cli import rnnflow
from pipelines.commands.served import check_served, feedback
from tests.components.toy_export import FEATURES, FORM, ToyExport, json_row
from tests.served_process import Server, running, until

pytest_plugins = ["tests.components.mlflow_fixtures"]

NAME = "monitored"  # the store is shared: no other module has this name
GIVEN = Decision(False, "by hand", (), None)
OPTIONS = ("--poll-seconds=3600", "--log-drop=note", "--log-file-seconds=3600")


def numbered(number: int) -> dict[str, Any]:
    """Rows of a few steps, as those that the model was trained on."""
    row = json_row(1 + number % 9)
    row["context"]["age"] = number % 40
    return {**row, "id": f"row-{number}", "note": "not for the log"}


@pytest.fixture(scope="module")
def registered(toy: ToyExport, store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The store, with a champion that keeps a sample of its rows."""
    directory = tmp_path_factory.mktemp("monitored") / "export"
    shutil.copytree(toy.export.path, directory)
    sample = RowSample()
    for number in range(400):
        row = parse_row(numbered(1000 + number), FORM)
        assert isinstance(row, Row)
        sample.add(row, row.labels or (), FEATURES)
    write_sample(sample.table(), schema_directory(directory / "saved_model") / SAMPLE)
    export = Export(str(directory), "monitored-digest", 0.0, 1)
    register_model(export, GIVEN, name=NAME, tracking_uri=store, run_id=None)
    promote(NAME, 1, tracking_uri=store, reason="for a test")
    return store


@dataclasses.dataclass(frozen=True)
class Served:
    """A server that logs, and what it has answered."""

    server: Server
    folder: Path
    answers: dict[str, str]
    """The label by the id."""

    def lines(self) -> list[dict[str, Any]]:
        texts = (path.read_text() for path in log_files(self.folder))
        return [json.loads(line) for text in texts for line in text.splitlines()]

    def logged(self) -> float:
        return self.server.metric("rnnflow_logged_rows_total")


@pytest.fixture(scope="module")
def served(registered: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("served")
    folder = directory / "log"
    with running(directory, registered, NAME, f"--log={folder}", *OPTIONS) as server:
        _, found = server.ask("/predict", {"rows": [numbered(number) for number in range(200)]})
        answers = {each["id"]: each["label"] for each in found["predictions"]}
        one = Served(server, folder, answers)
        until(lambda: one.logged() >= 200)
        yield one


@pytest.fixture
def work(registered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registered)
    return tmp_path / "work"


def _labels(path: Path, served: Served, right: int) -> Path:
    """True labels of the answers, of which so many are right; and one that was never asked for."""
    others = {"no": "yes", "yes": "no", "übrig": "no"}
    rows = [
        f"{row_id},{label if place < right else others[label]}"
        for place, (row_id, label) in enumerate(served.answers.items())
    ]
    path.write_text("\n".join(["id,label", *rows, "never-asked,no"]) + "\n")
    return path


def test_rows_are_logged_as_they_came_beside_their_answers(served: Served) -> None:
    lines = {line["id"]: line for line in served.lines()}
    for number in range(200):
        row = numbered(number)
        del row["note"]
        line = dict(lines[row["id"]])
        prediction = line.pop("prediction")
        assert line == row
        assert prediction["label"] == served.answers[row["id"]]
        assert prediction["model_version"] == 1
        assert set(prediction["probabilities"]) == {"no", "yes", "übrig"}
    assert served.server.metric("rnnflow_log_bytes") > 0


def test_a_row_without_an_id_is_answered_with_that_of_the_log(served: Served) -> None:
    before, row = served.logged(), json_row(2)
    del row["id"]
    _, found = served.server.ask("/predict", {"rows": [row]})
    assert len(found["predictions"][0]["id"]) == 32
    until(lambda: served.logged() == before + 1)
    assert found["predictions"][0]["id"] in {line["id"] for line in served.lines()}


def test_tensors_are_logged_as_rows_under_the_id_of_their_request(served: Served) -> None:
    before, server = served.logged(), served.server
    _, document = server.ask("/openapi.json")
    content = document["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]
    request = content["application/json"]["example"]
    for request_id in ("tensors-1", None):
        assert server.ask(f"/v2/models/{NAME}/infer", request | {"id": request_id})[0] == 200
    twice = [
        {**each, "shape": [2, *each["shape"][1:]], "data": 2 * each["data"]}
        for each in request["inputs"]
    ]
    server.ask(f"/v2/models/{NAME}/infer", {"id": 5, "inputs": twice})
    until(lambda: served.logged() == before + 4)
    ids = [line["id"] for line in served.lines()]
    assert {"tensors-1", "5-0", "5-1"} <= set(ids)
    line = served.lines()[ids.index("tensors-1")]
    assert line["sequence"]["pulse"] == [0.5, 0.5, 0.5]


def test_the_log_is_checked_and_the_server_shows_what_was_found(
    served: Served, work: Path, registered: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_served(NAME, served.folder, None, as_json=False, work_dir=work) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "beside 400 of version 1" in printed
    assert "No drift in" in printed
    assert "answers of version 1" in printed
    assert "Estimated accuracy of version 1: 0." in printed
    assert "An estimate and no measurement" in printed
    until(lambda: served.server.metric("rnnflow_check_rows") >= 200)
    assert served.server.metric("rnnflow_check_alarms") == 0
    assert served.server.metric('rnnflow_check_label_share{label="no",of="training"}') == 1
    client = connect(registered)
    runs = client.search_runs([str(find_experiment(client, f"{NAME}-served"))])
    assert runs[0].data.tags["rnnflow.served"] == "check"


def test_requests_that_differ_end_with_the_code_of_drift(
    served: Served, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "log"
    shutil.copytree(served.folder, folder)
    for path in log_files(folder):
        path.write_text(path.read_text().replace('"age":', '"age":9'))
    assert check_served(NAME, folder, 1.0, as_json=True, work_dir=work) == 3
    found = json.loads(capsys.readouterr().out)
    assert [each["feature"] for each in found["checks"] if each["is_alarm"]] == ["age"]
    assert found["answers"][0]["version"] == 1
    check_served(NAME, folder, None, as_json=False, work_dir=work)
    assert "Here drift was found" in capsys.readouterr().out


def test_labels_that_come_later_say_how_often_it_was_right(
    served: Served, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = str(_labels(tmp_path / "labels.csv", served, right=150))
    feedback(NAME, labels, served.folder, "id", "label", None, as_json=False, work_dir=work)
    printed = " ".join(capsys.readouterr().out.split())
    assert "200 of 201 ids with a label are in the log. Not there: 1 (" in printed
    assert "0.750 [0.686, 0.805]" in printed
    feedback(NAME, labels, served.folder, "id", "label", 1.0, as_json=True, work_dir=work)
    found = json.loads(capsys.readouterr().out)
    assert (found["matched"], found["unmatched"]) == (200, 1)
    assert found["versions"][0]["accuracy"]["value"] == 0.75
    accuracy = 'rnnflow_feedback_accuracy{end="value",version="1"}'
    until(lambda: served.server.metric(accuracy) == 0.75)


def test_labels_may_have_other_names_and_other_formats(
    served: Served, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.jsonl"
    rows = ({"no": row_id, "truth": label} for row_id, label in served.answers.items())
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    feedback(NAME, str(path), served.folder, "no", "truth", None, as_json=True, work_dir=work)
    assert json.loads(capsys.readouterr().out)["versions"][0]["accuracy"]["value"] == 1.0
    csv = _labels(tmp_path / "labels.csv", served, right=1)
    with pytest.raises(UserError, match=r"no column 'no'; it has id, label: .* with --id"):
        feedback(NAME, str(csv), served.folder, "no", "label", None, False, work)


def test_findings_that_cannot_be_kept_are_still_told(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    labels = str(_labels(tmp_path / "labels.csv", served, right=150))
    feedback(NAME, labels, served.folder, "id", "label", None, False, tmp_path / "work")
    printed = capsys.readouterr()
    assert "0.750" in printed.out
    assert printed.err.startswith(f"rnnflow: not in MLflow: cannot record the feedback of {NAME}")


def test_a_disk_that_is_full_costs_the_log_and_no_answer(served: Served) -> None:
    server, before = served.server, served.logged()
    lost = 'rnnflow_log_lost_rows_total{reason="storage"}'
    (path,) = log_files(served.folder)
    size = path.stat().st_size
    # A part of the next line would still have room.
    limit, process = size + 100, server.process.pid
    endless = resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for count in (1, 2):
        assert server.ask("/predict", {"rows": [json_row(3)]})[0] == 200
        # The next file has room for lines: its own limit is the size of the one before.
        until(lambda: server.metric(lost) + served.logged() >= before + count)  # noqa: B023
    assert server.metric(lost) == 1
    resource.prlimit(process, resource.RLIMIT_FSIZE, endless)
    assert path.stat().st_size == size
    said = server.log.read_text()
    assert said.count("cannot log answers in") == 1
    assert said.count("answers are logged again in") == 1
    assert all(line["prediction"] for line in served.lines())


def test_a_share_is_logged_and_the_end_writes_the_rest(registered: str, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    options = (f"--log={folder}", "--log-share=0.5", "--log-drop=id", "--log-drop=pulse")
    with running(tmp_path, registered, NAME, *options) as server:
        rows = [numbered(number) for number in range(400)]
        _, found = server.ask("/predict", {"rows": rows})
        assert [each["id"] for each in found["predictions"]] == [row["id"] for row in rows]
    texts = (path.read_text() for path in log_files(folder))
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    assert 130 < len(lines) < 270
    assert not {line["id"] for line in lines} & {row["id"] for row in rows}
    assert not any("pulse" in line["sequence"] for line in lines)


def test_what_cannot_be_is_refused_in_one_sentence(work: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    here = f"--work-dir={work}"
    for arguments, message in (
        (["check", NAME, here], "expected DATA or --served FOLDER, one of the two"),
        (["check", NAME, "x", "--served=y", here], "expected DATA or --served FOLDER"),
        (["check", NAME, "x", "--last-hours=1", here], "--last-hours goes with --served"),
        (["serve", NAME, "--log-drop=id", here], "give --log FOLDER, too"),
        (["serve", NAME, f"--log={tmp_path / 'file'}", here], "--log: expected a folder"),
    ):
        with pytest.raises(UserError, match=message):
            CliRunner().invoke(rnnflow, arguments, catch_exceptions=False)
    with pytest.raises(NotFoundError, match="--served: expected the folder"):
        check_served(NAME, tmp_path, None, False, work)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
