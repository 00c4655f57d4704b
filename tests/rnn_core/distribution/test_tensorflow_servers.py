"""TensorFlow's servers of a cluster on this machine answer nobody else."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from rnn_core.config.cluster import Cluster
from rnn_core.distribution.tensorflow_servers import keep_on_loopback
from tests.rnn_core.distribution import clusters

_DEVICE_BYTES = 16
"""The size of a device's name (IFNAMSIZ of Linux)."""


def _device(port: int) -> str:
    """The device to which the one socket is bound that listens at a port; empty for all."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            one = stack.enter_context(socket.socket(fileno=os.dup(int(name))))
            listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if listens and one.getsockname()[1] == port:
                found = one.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _DEVICE_BYTES)
                return found.rstrip(b"\0").decode()
    raise AssertionError(f"nobody listens at {port}")


@pytest.fixture(scope="module")
def served() -> Iterator[int]:
    """The port of a server of TensorFlow in this process."""
    (port,) = clusters.free_ports(1)
    spec = tf.train.ClusterSpec({"worker": [f"127.0.0.1:{port}"]})
    server = tf.distribute.Server(spec, job_name="worker", task_index=0)
    yield port
    del server


def _cluster(port: int, other: str) -> Cluster:
    spec = tf.train.ClusterSpec({"worker": [f"127.0.0.1:{port}", f"{other}:1"]})
    return Cluster(spec, "worker", 0, True)


def test_a_cluster_on_this_machine_is_kept_there_and_another_is_not(served: int) -> None:
    assert _device(served) == ""
    keep_on_loopback(_cluster(served, "10.0.0.1"))
    assert _device(served) == ""
    keep_on_loopback(_cluster(served, "127.0.0.1"))
    assert _device(served) == "lo"
    with socket.create_connection(("127.0.0.1", served), 10):
        pass


def test_the_search_leaves_no_descriptor_open(served: int, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w"):
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        for _ in range(5):
            keep_on_loopback(_cluster(served, "127.0.0.1"))
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_server_that_cannot_be_kept_there_is_told(
    served: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_core.distribution.tensorflow_servers._LOOPBACK", b"nothing\0")
    keep_on_loopback(_cluster(served, "127.0.0.1"))
    assert f"listens at all addresses of this machine, port {served}" in caplog.text
