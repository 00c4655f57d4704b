"""`rnnflow serve` as a process of its own, on a real registry, asked over HTTP."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.artifacts.values import Decision
from components.errors import NotFoundError, UserError
from components.registry.registry import promote, register_model
from components.serving.access import TOKEN_VARIABLE
from components.serving.limits import Batching, Limits
from pipelines.commands import models
from pipelines.commands.serve import serve
from tests.components.toy_export import Summing, ToyExport, json_row, make_toy_export
from tests.listening import beyond_loopback
from tests.served_process import SECONDS, Server, answer_of, running, until

pytest_plugins = ["tests.components.mlflow_fixtures"]

REFUSED = Decision(False, "accuracy 0.4 is below 0.5", (), None)
NAME = "answering"  # the store is shared: no other module has this name
TOKEN = "a token for the tests of serve"


@pytest.fixture(scope="module")
def versions(toy: ToyExport, store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The store, with two versions that answer differently, and one that does not load."""
    other = make_toy_export(tmp_path_factory.mktemp("other"), Summing((-5.0, 4.0, 3.0)))
    broken = make_toy_export(tmp_path_factory.mktemp("broken"))
    (broken.saved_model / "saved_model.pb").write_bytes(b"no model")
    for digest, each in (("first", toy), ("second", other), ("third", broken)):
        export = dataclasses.replace(each.export, digest=digest)
        register_model(export, REFUSED, name=NAME, tracking_uri=store, run_id=None)
    promote(NAME, 1, tracking_uri=store, reason="first")
    return store


@pytest.fixture(scope="module")
def server(versions: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--poll-seconds=0.2", "--max-request-rows=8", "--max-body-bytes=100000")
    with running(tmp_path_factory.mktemp("serve"), versions, NAME, *options) as one:
        yield one


@pytest.fixture
def first(server: Server, versions: str) -> Server:
    """The server, when it answers with version 1."""
    promote(NAME, 1, tracking_uri=versions, reason="for a test")
    until(lambda: server.version() == 1)
    return server


def _rows(*lengths: int) -> dict[str, Any]:
    return {"rows": [json_row(steps) for steps in lengths]}


def test_the_answers_are_those_of_predict(
    first: Server,
    versions: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", versions)
    request = _rows(4, 90, 1, 30)
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in request["rows"]))
    for top_k in (None, 2):
        models.predict(NAME, data, None, tmp_path / "work", top_k=top_k)
        expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        status, found = first.ask("/predict", request | {"top_k": top_k})
        assert status == 200
        assert (found["model"], found["model_version"]) == (NAME, 1)
        for answer, line in zip(found["predictions"], expected, strict=True):
            assert {**answer, "line": line["line"]} == {
                **line,
                "confidence": pytest.approx(line["confidence"], abs=1e-6),
                "probabilities": pytest.approx(line["probabilities"], abs=1e-6),
            }


def test_a_row_needs_neither_id_nor_label(first: Server) -> None:
    row = json_row(3)
    del row["id"], row["label"]
    status, found = first.ask("/predict", {"rows": [row]})
    assert status == 200
    assert found["predictions"][0]["id"] is None
    assert first.ask("/predict", {"rows": []})[1]["predictions"] == []


def test_the_example_of_the_openapi_page_is_answered(first: Server) -> None:
    _, document = first.ask("/openapi.json")
    for path in ("/predict", "/v2/models/{name}/infer"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        status, _ = first.ask(path.replace("{name}", NAME), content["example"])
        assert status == 200, path


def test_the_openapi_page_loads_nothing_from_elsewhere(first: Server) -> None:
    status, page = first.ask("/docs")
    assert status == 200
    assert "http" not in page.replace("http-equiv", "")
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert name in page
        assert first.ask(f"/static-offline-docs/{name}")[0] == 200


def test_the_open_inference_protocol_gives_the_same_answers(first: Server) -> None:
    for path, content in (
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        (f"/v2/models/{NAME}/ready", {"name": NAME, "ready": True}),
        (f"/v2/models/{NAME}/versions/1/ready", {"name": NAME, "ready": True}),
    ):
        assert first.ask(path) == (200, content)
    _, metadata = first.ask(f"/v2/models/{NAME}")
    assert (metadata["name"], metadata["versions"]) == (NAME, ["1"])
    row = json_row(4)
    inputs = [
        {"name": name, "datatype": datatype, "shape": [1, *shape], "data": [values]}
        for name, datatype, shape, values in (
            ("motion", "FP32", [4, 3], row["sequence"]["motion"]),
            ("pulse", "FP32", [4], row["sequence"]["pulse"]),
            ("word-1.a", "BYTES", [4], row["sequence"]["word-1.a"]),
            ("event", "INT64", [4], row["sequence"]["event"]),
            ("size", "FP32", [2], row["context"]["size"]),
            ("age", "FP32", [], row["context"]["age"]),
            ("colour", "BYTES", [], row["context"]["colour"]),
            ("Läden", "INT64", [], row["context"]["Läden"]),
        )
    ]
    assert {each["name"] for each in inputs} | {"lengths"} == {
        each["name"] for each in metadata["inputs"]
    }
    status, found = first.ask(f"/v2/models/{NAME}/infer", {"id": "42", "inputs": inputs})
    assert status == 200
    assert (found["id"], found["model_name"], found["model_version"]) == ("42", NAME, "1")
    (expected,) = first.ask("/predict", {"rows": [row]})[1]["predictions"]
    outputs = {each["name"]: each["data"] for each in found["outputs"]}
    assert outputs["label"] == [expected["label"]]
    assert outputs["probabilities"] == pytest.approx(list(expected["probabilities"].values()))
    for path in ("/v2/models/other/ready", f"/v2/models/{NAME}/versions/2/ready"):
        status, error = first.ask(path)
        assert status == 404
        assert list(error) == ["error"]
    status, error = first.ask(f"/v2/models/{NAME}/infer", {"inputs": inputs[1:]})
    assert (status, list(error)) == (400, ["error"])
    assert "expected an input 'motion'" in error["error"]


def test_all_faults_of_a_request_are_told_with_their_paths(first: Server) -> None:
    request = _rows(20, 3, 20)
    request["rows"][2]["sequence"]["pulse"][14] = "x"
    request["rows"][0]["context"]["age"] = None
    status, found = first.ask("/predict", request)
    assert status == 422
    assert found["faults"] == [
        {"path": "rows[0].context.age", "message": "expected a number, got nothing"},
        {"path": "rows[2].sequence.pulse[14]", "message": 'expected a number, got "x"'},
    ]
    assert found["error"].startswith("2 rows are invalid; rows[0].context.age: expected")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ([], 422, 'expected {"rows": [...]}, got a list'),
        ({"row": []}, 422, "got the keys ['row']"),
        ({"rows": [], "top_k": 0}, 422, 'expected "top_k" to be a whole number from 1 on'),
        (_rows(*[1] * 9), 413, "9 rows, and 8 may be in one (--max-request-rows)"),
        ({"rows": ["x" * 100_000]}, 413, "larger than 100,000 bytes (--max-body-bytes)"),
        (_rows(101), 422, "has more steps than max_row_steps = 100 allows: it has 101"),
    ],
)
def test_what_a_request_may_not_be_is_said(
    first: Server, body: Any, status: int, message: str
) -> None:
    found, answer = first.ask("/predict", body)
    assert found == status
    assert message in answer["error"]


def test_a_body_that_is_no_json_or_ever_longer_than_announced_is_refused(first: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", first.port, timeout=SECONDS)
    with contextlib.closing(connection):
        connection.request("POST", "/predict", b'{"rows": [')
        status, answer = answer_of(connection.getresponse())
        assert (status, answer["error"][:43]) == (
            400,
            "expected a body in JSON: invalid JSON: unex",
        )
        # In chunks, with no length ahead.
        connection.request("POST", "/predict", iter([b" " * 50_000] * 3), encode_chunked=True)
        assert answer_of(connection.getresponse())[0] == 413
    status, answer = first.ask("/nowhere")
    assert (status, answer["error"]) == (404, "there is no /nowhere: see /docs")
    assert first.ask("/predict")[0] == 405


def test_the_metrics_count_requests_rows_and_batches(first: Server) -> None:
    names = (
        'rnnflow_requests_total{route="/predict",status="200"}',
        'rnnflow_requests_total{route="/predict",status="422"}',
        'rnnflow_request_seconds_count{route="/predict"}',
        "rnnflow_rows_total",
        "rnnflow_invalid_rows_total",
        "rnnflow_batch_rows_sum",
    )
    before = [first.metric(name) for name in names]
    first.ask("/predict", _rows(4, 5))
    first.ask("/predict", {"rows": [3]})
    after = [first.metric(name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 2, 2, 1, 2]
    assert first.metric(f'rnnflow_model_version{{model="{NAME}"}}') == 1
    assert first.metric("rnnflow_registry_up") == 1


def test_it_listens_on_loopback_alone_and_answers_to_no_other_name(first: Server) -> None:
    assert beyond_loopback(first.process.pid) == set()
    connection = http.client.HTTPConnection("127.0.0.1", first.port, timeout=SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics", headers={"Host": "example.com"})
        assert answer_of(connection.getresponse())[0] == 421


class Load:
    """Clients that ask without a pause; what each was answered."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self._server = server
        self.answers: list[tuple[int, Any]] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        request = _rows(3, 9)
        while not self._ended.is_set():
            self.answers.append(self._server.ask("/predict", request))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def test_a_new_champion_takes_over_under_load_without_a_failed_or_a_mixedanswer(
    first: Server, versions: str
) -> None:
    expected = {1: _said(first)}
    swaps = first.metric("rnnflow_model_swaps_total")
    with Load(first) as load:
        promote(NAME, 2, tracking_uri=versions, reason="better")
        until(lambda: first.version() == 2)
        count = len(load.answers)
        until(lambda: len(load.answers) > count + 8)
    expected[2] = _said(first)
    assert expected[1] != pytest.approx(expected[2], abs=0.05)
    assert {status for status, _ in load.answers} == {200}
    assert {answer["model_version"] for _, answer in load.answers} == {1, 2}
    for _, answer in load.answers:
        assert _probabilities(answer) == pytest.approx(expected[answer["model_version"]], abs=1e-5)
    assert first.metric("rnnflow_model_swaps_total") == swaps + 1
    assert "version 2 took over from version 1" in first.log.read_text()


def _said(server: Server) -> list[float]:
    return _probabilities(server.ask("/predict", _rows(3, 9))[1])


def _probabilities(answer: Any) -> list[float]:
    return [p for each in answer["predictions"] for p in each["probabilities"].values()]


def test_a_version_that_does_not_load_is_refused_and_the_one_before_goes_on(
    first: Server, versions: str
) -> None:
    refused = 'rnnflow_refused_versions_total{version="3"}'
    before = first.metric(refused)
    with Load(first, clients=1) as load:
        promote(NAME, 3, tracking_uri=versions, reason="broken")
        until(lambda: first.metric(refused) > before)
    assert {(status, answer["model_version"]) for status, answer in load.answers} == {(200, 1)}
    said = "version 3 is the champion, but cannot serve; version 1 goes on: the SavedModel at"
    assert said in first.log.read_text()


def test_with_a_token_only_probes_are_answered_without_it_and_sigterm_drains(
    versions: str, tmp_path: Path
) -> None:
    promote(NAME, 1, tracking_uri=versions, reason="for a test")
    options = ("--host=0.0.0.0", "--drain-seconds=1")
    with running(tmp_path, versions, NAME, *options, **{TOKEN_VARIABLE: TOKEN}) as server:
        for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
            assert server.ask(path)[0] == 200
        for path in ("/metrics", "/openapi.json", "/docs", f"/v2/models/{NAME}"):
            assert server.ask(path)[0] == 401
            assert server.ask(path, token="wrong" + TOKEN)[0] == 401
            assert server.ask(path, token=TOKEN)[0] == 200
        assert server.ask("/predict", _rows(2))[0] == 401
        listed = Path(f"/proc/{server.process.pid}/cmdline").read_text()
        assert TOKEN not in listed + server.log.read_text()
        # In flight when the end begins: the rest of its body comes afterwards.
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
        with contextlib.closing(connection):
            body = json.dumps(_rows(2)).encode()
            connection.putrequest("POST", "/predict")
            connection.putheader("Authorization", f"Bearer {TOKEN}")
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body[:20])
            until(lambda: server.ask("/healthz")[0] == 200)  # by now it has come
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.ask("/readyz")[0] == 503)
            assert server.ask("/predict", _rows(2), TOKEN)[0] == 200  # taken for a while more
            until(lambda: not _listens(server))
            connection.send(body[20:])
            assert answer_of(connection.getresponse())[0] == 200
        assert server.process.wait(SECONDS) == 0


def _listens(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _serve(work_dir: Path, name: str = NAME, **options: Any) -> None:
    given: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "token_file": None} | options
    serve(
        name, given["host"], given["port"], given["token_file"],
        1.0, 0.0, Limits(), Batching(), work_dir,
    )  # fmt: skip


def test_a_start_that_cannot_be_is_refused_in_one_sentence(
    versions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", versions)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(UserError, match=r"--host 0\.0\.0\.0 is reached from other machines"):
        _serve(tmp_path, host="0.0.0.0")
    with pytest.raises(NotFoundError, match="nobody has no champion to serve yet"):
        _serve(tmp_path, name="nobody")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"cannot listen at 127\.0\.0\.1:{port} .*in use"):
            _serve(tmp_path, port=port)
