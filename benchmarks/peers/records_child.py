"""Trains from TFRecords as the pipeline does, or from the same batches in memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

import rnn_core
from benchmarks.peers.rnn_core_child import Turn
from benchmarks.peers.work import WORKS, Work, batches
from benchmarks.processes.windows import Windows
from components.artifacts import Examples
from components.batches import read_batches
from components.config import FeaturesConfig, ModelConfig, NumericFeature
from components.encoding import encode
from components.estimator import build_estimator
from components.schema import Schema, load_schema, save_schema

_LENGTHS: Final = (5, 200)
_BATCHES: Final = 32


def main(settings: dict[str, Any]) -> None:
    """``work``, ``model_dir``, ``from_memory``."""
    shortest, longest = _LENGTHS
    work = WORKS[settings["work"]]._replace(
        shortest=shortest, longest=longest, batches=_BATCHES, window_steps=3 * _BATCHES
    )
    directory = Path(settings["model_dir"])
    examples = _write(work, directory / "examples")

    def input_fn() -> tf.data.Dataset:
        dataset = read_batches(examples, "train", work.rows, shuffle_seed=1, repeat=True)
        if not settings["from_memory"]:
            return dataset
        return dataset.take(_BATCHES).cache().repeat().prefetch(2)

    model = ModelConfig(cell_type=work.cell, units=work.units)
    config = rnn_core.RunConfig(save_checkpoints_secs=3600)
    estimator = build_estimator(load_schema(examples.path), model, directory, config)
    estimator.train(input_fn, hooks=[Turn(work, Windows())])


def _write(work: Work, directory: Path) -> Examples:
    """One file with the rows of all batches."""
    directory.mkdir(parents=True)
    found = batches(work)
    labels = tuple(sorted({str(label) for one in found for label in one.labels}))
    features = FeaturesConfig({"x": NumericFeature("numeric", width=work.features)})
    save_schema(Schema(features, labels, {}), directory)
    with tf.io.TFRecordWriter(str(directory / "train-00000-of-00001.tfrecord")) as writer:
        for batch in found:
            for length, values, label in zip(
                batch.lengths, batch.values, batch.labels, strict=True
            ):
                context = {"label": [str(label).encode()]}
                writer.write(encode(context, {"x": values[:length]}))
    return Examples(str(directory), "")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
