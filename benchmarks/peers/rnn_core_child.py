"""Trains with rnn_core, on native or on stock layers."""

from __future__ import annotations

import json
import sys
from typing import Any

import rnn_core
from benchmarks.peers.classifier import new_classifier
from benchmarks.peers.features import dataset, dense_dataset
from benchmarks.peers.work import EVERY_WORK, LOSS_STEP, Work, weights
from benchmarks.processes.windows import Windows


class WindowHook(rnn_core.Hook):
    """Begins with the given weights, and trains in windows."""

    def __init__(self, work: Work, windows: Windows) -> None:
        self._work, self._windows = work, windows
        self._next = LOSS_STEP

    def begin(self, context: rnn_core.HookContext) -> None:
        trained = [v for n, v in context.variables.items() if n.endswith(("kernel", "bias"))]
        for variable, value in zip(trained, weights(self._work), strict=True):
            variable.assign(value)

    def next_step_due(self, step: int) -> int:
        return self._next

    def after_steps(self, context: rnn_core.HookContext) -> None:
        if context.global_step < self._next:
            return
        self._next += self._work.window_steps
        if not self._windows.end_window(loss=context.loss):
            context.request_stop()


def main(settings: dict[str, Any]) -> None:
    """``work``, ``model_dir``, ``dense``."""
    work = EVERY_WORK[settings["work"]]
    estimator = new_classifier(work, settings["model_dir"])
    batches = dense_dataset if settings.get("dense") else dataset
    estimator.train(lambda: batches(work), hooks=[WindowHook(work, Windows())])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
