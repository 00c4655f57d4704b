"""The number of workers changes how fast a training is, and not what comes out."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core.kernels import library
from rnn_core.storage import checkpoints
from tests.rnn_core.distribution import clusters
from tests.rnn_core.distribution.cases import (
    CASES,
    EXCHANGES,
    STEPS,
    estimator,
    metrics,
    train_input,
)


@dataclass(frozen=True)
class Cluster:
    """So many workers of so many devices, and the cases that they train."""

    workers: int
    devices: int
    cases: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.workers} workers of {self.devices} devices"


# Two workers train every case. A third changes how sums are made, and not what is done with them.
# Without the native operations Python makes the sums, of two workers in another way than of more;
# devices of one process exchange nothing, and layers without native operations are tested
# elsewhere.
CLUSTERS = (
    (Cluster(2, 1, EXCHANGES), Cluster(3, 1, EXCHANGES))
    if os.environ.get(library.SWITCH) == "off"
    else (Cluster(2, 1, tuple(CASES)), Cluster(3, 1, EXCHANGES), Cluster(1, 2, tuple(CASES)))
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process without a strategy makes of each case: variables and metrics."""
    root = tmp_path_factory.mktemp("alone")
    made = {}
    for case in CLUSTERS[0].cases:
        one = estimator(case, root / case)
        one.train(train_input, steps=STEPS)
        made[case] = (checkpoints.read(str(one.latest_checkpoint())), metrics(one))
    return made


@pytest.fixture(scope="module")
def root_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Cluster], Path]:
    """Where a cluster, which runs when it is first asked for, left what it made."""

    @functools.cache
    def run(cluster: Cluster) -> Path:
        root = tmp_path_factory.mktemp(f"workers-{cluster.workers}-{cluster.devices}")
        arguments = [root, cluster.devices, *cluster.cases]
        clusters.run(root / "logs", {"worker": cluster.workers}, "equality_program", arguments)
        return root

    return run


of_every_case = pytest.mark.parametrize(
    ("cluster", "case"),
    [(cluster, case) for cluster in CLUSTERS for case in cluster.cases],
    ids=str,
)


@of_every_case
def test_workers_end_with_the_weights_of_one(
    cluster: Cluster, case: str, alone: dict[str, Any], root_of: Callable[[Cluster], Path]
) -> None:
    found = checkpoints.read(str(root_of(cluster) / case / f"model.ckpt-{STEPS}"))
    expected = alone[case][0]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(1.0, float(np.max(np.abs(value))))
        assert np.max(np.abs(found[name] - value)) <= 1e-6 * scale, name


@of_every_case
def test_workers_measure_what_one_measures(
    cluster: Cluster, case: str, alone: dict[str, Any], root_of: Callable[[Cluster], Path]
) -> None:
    files = sorted(root_of(cluster).glob(f"{case}-worker-*.json"))
    assert len(files) == cluster.workers
    measured = [json.loads(path.read_text()) for path in files]
    assert all(each == measured[0] for each in measured)
    for name, value in alone[case][1].items():
        assert measured[0][name] == pytest.approx(value, rel=2e-5, abs=1e-6), name


@of_every_case
def test_only_the_chief_writes_event_files(
    cluster: Cluster, case: str, root_of: Callable[[Cluster], Path]
) -> None:
    root = root_of(cluster)
    assert len(list((root / case).glob("events.*"))) == 1
    assert len(list((root / case / "eval").glob("events.*"))) == 1
    assert tf.train.latest_checkpoint(str(root / case)) is not None
