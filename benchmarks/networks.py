"""What each part of a network costs: a training step with it beside one of the plain network.

All of a table run interleaved in one process, on one thread, and the shortest of many runs is the
one to compare: what else the machine does only ever makes a run longer.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any, Final

import tensorflow as tf

from benchmarks.peers.work import Work
from benchmarks.step import Run, trainer
from rnn_core import NetworkConfig

_SECONDS_A_RUN: Final = 0.005
_ROUNDS: Final = 200

WORKS: Final = {
    "LSTM [64], T = 50": Work("lstm", 32, 50, 50, 12, (64,), 0),
    "LSTM [64], T = 50 to 200": Work("lstm", 32, 50, 200, 12, (64,), 0),
    "LSTM [128], T = 200": Work("lstm", 32, 200, 200, 12, (128,), 0),
    "GRU [64], T = 50 to 200": Work("gru", 32, 50, 200, 12, (64,), 0),
    "GRU [128], T = 100": Work("gru", 32, 100, 100, 12, (128,), 0),
    "simple RNN [64], T = 50 to 200": Work("simple_rnn", 32, 50, 200, 12, (64,), 0),
    "simple RNN [128], T = 100": Work("simple_rnn", 32, 100, 100, 12, (128,), 0),
}
"""B = 32, F = 12."""

_BOTH: Final[dict[str, Any]] = {"bidirectional": True}
PARTS: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "mean": ({"pooling": "mean"}, {}),
    "max": ({"pooling": "max"}, {}),
    "m_max": ({"pooling": "mean_max"}, {}),
    "attent": ({"pooling": "attention"}, {}),
    "in drop": ({"input_dropout": 0.2}, {}),
    "rec drop": ({"recurrent_dropout": 0.2}, {}),
    "out drop": ({"output_dropout": 0.2}, {}),
    "2 ways": (_BOTH, {}),
    "2w mean": ({**_BOTH, "pooling": "mean"}, _BOTH),
    "2w max": ({**_BOTH, "pooling": "max"}, _BOTH),
    "2w m_max": ({**_BOTH, "pooling": "mean_max"}, _BOTH),
    "2w attent": ({**_BOTH, "pooling": "attention"}, _BOTH),
}
"""What a row of the table measures, and beside what."""


def run() -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print(f"{'':30} {'ms':>6}" + "".join(f"{part:>10}" for part in PARTS))
    for name, work in WORKS.items():
        plain, ratios = _ratios(work)
        print(f"{name:30} {plain:6.2f}" + "".join(f"{one:10.2f}" for one in ratios), flush=True)


def _ratios(work: Work) -> tuple[float, list[float]]:
    """CPU milliseconds of a step of the plain network, and how many times as much each part is."""
    settings = [one for pair in PARTS.values() for one in pair]
    distinct = {str(one): one for one in [{}, *settings]}
    with tempfile.TemporaryDirectory() as directory:
        runs = {
            name: trainer(work, directory, "on", NetworkConfig(**one), time.process_time)
            for name, one in distinct.items()
        }
        seconds = _shortest(runs)
    ratios = [seconds[str(having)] / seconds[str(beside)] for having, beside in PARTS.values()]
    return 1000 * seconds["{}"], ratios


def _shortest(runs: dict[str, Run]) -> dict[str, float]:
    """CPU seconds a step of each."""
    counts = {}
    for name, one in runs.items():
        one(8)
        counts[name] = max(1, int(_SECONDS_A_RUN / one(8)[0] * 8))
    found = dict.fromkeys(runs, float("inf"))
    for _ in range(_ROUNDS):
        for name, one in runs.items():
            found[name] = min(found[name], one(counts[name])[0] / counts[name])
    return found
