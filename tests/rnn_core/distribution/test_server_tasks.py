"""Servers that wait for their chief; ``test_failures`` shows them at work."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from rnn_core import ArgumentError, RunConfig, WorkerLostError
from rnn_core.distribution import server_tasks
from rnn_core.distribution.heartbeat import Heartbeat
from rnn_core.distribution.server_tasks import serve
from tests.rnn_core.distribution import clusters

CLUSTER = {"chief": 1, "worker": 1, "ps": 1}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    found = clusters.addresses(CLUSTER)
    place = {"cluster": found, "task": {"type": "ps", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(place))
    return found


def test_a_chief_that_never_comes_is_named(cluster: dict[str, list[str]], tmp_path: Path) -> None:
    config = RunConfig(session_creation_timeout_secs=0.1)
    with pytest.raises(WorkerLostError, match=f"chief at {cluster['chief'][0]} is unreachable"):
        serve(config, str(tmp_path))


def test_a_chief_that_came_and_was_killed_between_two_polls_is_gone(
    cluster: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_tasks, "_GONE_SECONDS", 0.1)
    came = threading.Timer(0.3, Heartbeat(str(tmp_path), "chief-0")._write, ["running"])
    came.start()
    gone = f"chief at {cluster['chief'][0]} is gone; its last state was running"
    with pytest.raises(WorkerLostError, match=gone):
        serve(RunConfig(session_creation_timeout_secs=20), str(tmp_path))
    came.join()


def test_a_taken_port_is_named(cluster: dict[str, list[str]], tmp_path: Path) -> None:
    port = int(cluster["ps"][0].rpartition(":")[2])
    with socket.create_server(("", port)), pytest.raises(ArgumentError, match="cannot serve at"):
        serve(RunConfig(), str(tmp_path))
