"""How a run ended is told to addresses in the environment; a real server takes the messages."""

from __future__ import annotations

import http.server
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.config import parse_config
from pipelines.notifications import URLS, notify
from tests.pipelines.samples import PROPOSED, REFUSED, RUN_ID, outcome

CONFIG = "name: demo\ndata: {train: rows.jsonl}\nfeatures: {sequence: {x: {kind: numeric}}}\n"


class Webhook:
    """Takes JSON messages at a port of this machine, and answers with a status."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.status = 200
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.messages.append(json.loads(body))
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"json://user:secret@127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    webhook = Webhook()
    monkeypatch.setenv(URLS, webhook.url)
    yield webhook
    webhook.close()


def test_a_message_has_the_outcome_its_reason_and_the_version(webhook: Webhook) -> None:
    notify(outcome(), ["promoted"])
    (message,) = webhook.messages
    assert message["title"] == "demo: promoted"
    assert message["type"] == "success"
    assert message["message"].splitlines()[:2] == [
        "Promoted: every rule holds.", f"run: {RUN_ID}",
    ]  # fmt: skip
    assert "version: " in message["message"]


def test_a_model_that_waits_comes_with_what_to_type(webhook: Webhook) -> None:
    notify(outcome(status="proposed", reason=PROPOSED.reason, decision=PROPOSED), ["proposed"])
    (message,) = webhook.messages
    assert "decide: rnnflow approve demo --reason TEXT, or reject" in message["message"]


def test_ends_that_nobody_asked_for_are_not_told(webhook: Webhook) -> None:
    notify(outcome(status="refused", reason=REFUSED.reason, decision=REFUSED), ["promoted"])
    assert webhook.messages == []


def test_without_addresses_nothing_is_told(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("", "  "):
        monkeypatch.setenv(URLS, value)
        notify(outcome(), ["promoted"])
    assert webhook.messages == []


def test_several_addresses_are_all_told(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URLS, f"{webhook.url} {webhook.url}/other")
    notify(outcome(), ["promoted"])
    assert len(webhook.messages) == 2


@pytest.mark.parametrize(
    ("urls", "says"),
    [
        ("json://user:secret@127.0.0.1:9/hook", "could not be told to every address"),
        ("what://user:secret@is-this", "expected addresses that Apprise knows"),
    ],
)
def test_an_address_that_cannot_be_reached_is_a_warning_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, urls: str, says: str
) -> None:
    monkeypatch.setenv(URLS, urls)
    with caplog.at_level(logging.WARNING, "rnnflow"):
        notify(outcome(), ["promoted"])
    told = "\n".join(record.getMessage() for record in caplog.records if record.name == "rnnflow")
    assert says in told
    assert "secret" not in caplog.text


def test_an_answer_that_is_an_error_is_a_warning(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.status = 500
    notify(outcome(), ["promoted"])
    assert "could not be told" in caplog.text


def test_the_config_says_which_ends_are_told() -> None:
    assert parse_config(CONFIG).notify_on == ("promoted", "proposed", "refused", "failed")
    assert parse_config(CONFIG + "notify_on: [failed]\n").notify_on == ("failed",)
