"""One task of a training with parameter servers."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

import rnn_core
from tests.rnn_core.distribution.cases import dataset, estimator


def train_input() -> tf.data.Dataset:
    return dataset().repeat().batch(4)


def eval_input() -> tf.data.Dataset:
    return dataset().batch(7)


def main(directory: Path, steps: int, limits: dict[str, Any]) -> None:
    logging.basicConfig(level=logging.INFO)
    trained = estimator("lstm_embedding", directory / "model", **limits)
    metrics, _ = rnn_core.train_and_evaluate(
        trained,
        rnn_core.TrainSpec(train_input, max_steps=steps),
        rnn_core.EvalSpec(eval_input, start_delay_secs=0),
    )
    if metrics:
        (directory / "metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
    except rnn_core.RnnCoreError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(1)
