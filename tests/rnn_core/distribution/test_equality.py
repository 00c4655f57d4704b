"""The number of workers changes how fast a training is, and not what comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core.storage import checkpoints
from tests.rnn_core.distribution import clusters
from tests.rnn_core.distribution.cases import CASES, STEPS, estimator, metrics, train_input


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process without a strategy makes of each case: variables and metrics."""
    root = tmp_path_factory.mktemp("alone")
    made = {}
    for case in CASES:
        one = estimator(case, root / case)
        one.train(train_input, steps=STEPS)
        made[case] = (checkpoints.read(str(one.latest_checkpoint())), metrics(one))
    return made


@pytest.fixture(
    scope="module",
    params=[(2, 1), (3, 1), (1, 2)],
    ids=["two workers", "three workers", "two devices"],
)
def together(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, int]:
    workers, devices = request.param
    root = tmp_path_factory.mktemp(f"workers-{workers}-{devices}")
    clusters.run(root / "logs", {"worker": workers}, "equality_program", [root, devices])
    return root, workers


@pytest.mark.parametrize("case", CASES)
def test_workers_end_with_the_weights_of_one(
    case: str, alone: dict[str, Any], together: tuple[Path, int]
) -> None:
    root, _ = together
    found = checkpoints.read(str(root / case / f"model.ckpt-{STEPS}"))
    expected = alone[case][0]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(1.0, float(np.max(np.abs(value))))
        assert np.max(np.abs(found[name] - value)) <= 1e-6 * scale, name


@pytest.mark.parametrize("case", CASES)
def test_workers_measure_what_one_measures(
    case: str, alone: dict[str, Any], together: tuple[Path, int]
) -> None:
    root, workers = together
    files = sorted(root.glob(f"{case}-worker-*.json"))
    assert len(files) == workers
    measured = [json.loads(path.read_text()) for path in files]
    assert all(each == measured[0] for each in measured)
    for name, value in alone[case][1].items():
        assert measured[0][name] == pytest.approx(value, rel=2e-5, abs=1e-6), name


def test_only_the_chief_writes_event_files(together: tuple[Path, int]) -> None:
    root, _ = together
    for case in CASES:
        assert len(list((root / case).glob("events.*"))) == 1
        assert len(list((root / case / "eval").glob("events.*"))) == 1
        assert tf.train.latest_checkpoint(str(root / case)) is not None
