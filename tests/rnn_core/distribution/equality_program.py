"""One worker, of one or more devices, that trains and evaluates cases."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

import rnn_core
from tests.rnn_core.distribution.cases import STEPS, estimator, metrics, train_input


def main(directory: Path, devices: int, cases: list[str]) -> None:
    strategy = rnn_core.multi_worker_strategy(60) if devices == 1 else _mirrored(devices)
    for case in cases:
        trained = estimator(case, directory / case, train_distribute=strategy)
        trained.train(train_input, steps=STEPS)
        measured = metrics(trained)
        path = directory / f"{case}-{trained.config.task_type}-{trained.config.task_id}.json"
        path.write_text(json.dumps(measured))


def _mirrored(devices: int) -> Any:
    (cpu,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, logical)
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(devices)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
