"""Trains as the pipeline does, from rows that are held in memory or read from disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import rnn_core
from benchmarks.peers.rnn_core_child import WindowHook
from benchmarks.peers.work import WORKS
from benchmarks.processes.windows import Windows
from components.artifacts.schema import load_schema
from components.artifacts.values import Examples
from components.config import ModelConfig
from components.training.datasets import read_batches
from components.training.estimator import build_estimator


def main(settings: dict[str, Any]) -> None:
    """``work``, ``examples``, ``on_disk`` and ``model_dir``."""
    work = WORKS[settings["work"]]
    examples = Examples(settings["examples"], "")
    model = ModelConfig(cell_type=work.cell, units=work.units)
    estimator = build_estimator(
        load_schema(examples.path),
        model,
        Path(settings["model_dir"]),
        # As in the pipeline; see ``components.training.fit``.
        rnn_core.RunConfig(save_checkpoints_secs=3600, input_checkpoint="iterator"),
    )
    estimator.train(
        lambda: read_batches(
            examples, "train", work.rows, shuffle_seed=1, repeat=True, on_disk=settings["on_disk"]
        ),
        hooks=[WindowHook(work, Windows())],
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
