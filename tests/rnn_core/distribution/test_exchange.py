"""The sum over workers: the same bits for all of them, whatever its shape."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.rnn_core.distribution import clusters
from tests.rnn_core.distribution.exchange_program import KINDS, SHAPES, values


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_all_workers_get_the_sum_in_the_order_of_workers(tmp_path: Path, workers: int) -> None:
    clusters.run(tmp_path / "logs", {"worker": workers}, "exchange_program", [tmp_path])
    found = [json.loads((tmp_path / f"{worker}.json").read_text()) for worker in range(workers)]
    assert all(one == found[0] for one in found)
    more_threads = [int((tmp_path / f"{worker}.threads").read_text()) for worker in range(workers)]
    assert max(more_threads) < 50
    for kind in KINDS:
        for shape in SHAPES:
            added = [values(worker, shape, kind) for worker in range(workers)]
            total = np.asarray(found[0][f"{kind} {shape}"], kind)
            np.testing.assert_allclose(total, np.sum(added, 0), rtol=1e-6)
