"""How many workers a run has, and what it shows of them."""

from __future__ import annotations

import io
import logging
import os

import pytest
from rich.console import Console

from components.errors import UserError
from components.workers.cluster import WorkerCluster
from pipelines.config import parse_config
from pipelines.workers import outside_of_cluster, shown_output, with_workers
from tests.pipelines.samples import config

CLUSTER = WorkerCluster(("a:1", "b:2", "c:3"), 0)
OUTPUT = logging.getLogger("rnnflow.workers")


@pytest.mark.parametrize(
    ("in_config", "option", "cluster", "count"),
    [
        (1, None, None, 1), (2, None, None, 2), (2, 4, None, 4), (2, 1, None, 1),
        (1, None, CLUSTER, 3), (2, None, CLUSTER, 3), (1, 3, CLUSTER, 3),
    ],
)  # fmt: skip
def test_the_cluster_decides_then_the_command_line_then_the_config(
    in_config: int, option: int | None, cluster: WorkerCluster | None, count: int
) -> None:
    text = (
        "name: demo\ndata: {train: rows.jsonl}\nfeatures: {sequence: {x: {kind: numeric}}}\n"
        f"training: {{workers: {in_config}}}\n"
    )
    assert with_workers(parse_config(text), option, cluster).training.workers == count


def test_another_number_than_the_cluster_has_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="in a cluster of 3 workers; got --workers 2"):
        with_workers(config(), 2, CLUSTER)


def test_a_run_itself_is_outside_of_the_cluster_whatever_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TF_CONFIG", CLUSTER.tf_config)

    def fail_inside() -> None:
        with outside_of_cluster():
            assert "TF_CONFIG" not in os.environ
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert os.environ["TF_CONFIG"] == CLUSTER.tf_config


def test_what_workers_say_is_shown_as_it_is_and_only_while_it_is_asked_for() -> None:
    file = io.StringIO()
    with shown_output(Console(file=file, soft_wrap=True)):
        OUTPUT.info("%s | %s", "worker 1", "[bold]step 10[/], loss = 0.5")
        OUTPUT.debug("never")
    OUTPUT.warning("afterwards")
    assert file.getvalue() == "  worker 1 | [bold]step 10[/], loss = 0.5\n"
