"""Trains with ``model.fit`` of Keras 3, compiled with XLA, padded steps masked."""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import tensorflow as tf

from benchmarks.peers.work import (
    CLASSES,
    CLIP_NORM,
    LEARNING_RATE,
    LOSS_STEP,
    WORKS,
    Work,
    batches,
    weights,
)
from benchmarks.processes.windows import Windows


class WindowCallback(keras.callbacks.Callback):
    """Trains in windows."""

    def __init__(self, work: Work, windows: Windows) -> None:
        super().__init__()
        self._work, self._windows = work, windows
        self._next, self._sum_before = LOSS_STEP, 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        steps = batch + 1
        if steps == LOSS_STEP - 1:
            self._sum_before = steps * float(logs["loss"])
        if steps < self._next:
            return
        # What Keras reports is the mean of all batches so far.
        loss = steps * float(logs["loss"]) - self._sum_before
        self._next += self._work.window_steps
        if not self._windows.end_window(loss=loss):
            sys.exit()


def main(settings: dict[str, Any]) -> None:
    """``work``."""
    work = WORKS[settings["work"]]
    kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[work.cell]
    layers = [
        kind(units, return_sequences=index + 1 < len(work.units))
        for index, units in enumerate(work.units)
    ]
    masking = [keras.layers.Masking(0.0)] if work.is_ragged else []
    shape = keras.Input((work.longest, work.features))
    model = keras.Sequential([shape, *masking, *layers, keras.layers.Dense(CLASSES)])
    model.set_weights(weights(work))
    model.compile(
        optimizer=keras.optimizers.Adagrad(LEARNING_RATE, clipnorm=CLIP_NORM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=True,
    )
    # One shape: each other one would be compiled too.
    found = batches(work, work.longest)
    data = tf.data.Dataset.from_tensor_slices(
        ([one.values for one in found], [one.labels for one in found])
    )
    model.fit(
        data.cache().repeat().prefetch(2),
        epochs=1,
        steps_per_epoch=10**9,
        verbose=0,
        callbacks=[WindowCallback(work, Windows())],
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
