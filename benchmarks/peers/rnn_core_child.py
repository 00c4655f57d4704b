"""Trains with rnn_core, on native or on stock layers."""

from __future__ import annotations

import json
import sys
from typing import Any

import rnn_core
from benchmarks.peers.sparse import column, dataset
from benchmarks.peers.work import CLASSES, LOSS_STEP, WORKS, weights
from benchmarks.processes.windows import Windows


class Turn(rnn_core.Hook):
    """Begins with the given weights, and trains in windows."""

    def __init__(self, name: str, windows: Windows) -> None:
        self._work, self._windows = WORKS[name], windows
        self._next = LOSS_STEP

    def begin(self, context: rnn_core.HookContext) -> None:
        trained = [v for n, v in context.variables.items() if n.endswith(("kernel", "bias"))]
        for variable, value in zip(trained, weights(self._work), strict=True):
            variable.assign(value)

    def next_look(self, step: int) -> int:
        return self._next

    def after_steps(self, context: rnn_core.HookContext) -> None:
        if context.global_step < self._next:
            return
        self._next += self._work.window_steps
        if not self._windows.turn(loss=context.loss):
            context.request_stop()


def main(settings: dict[str, Any]) -> None:
    """``work``, ``model_dir``."""
    work = WORKS[settings["work"]]
    estimator = rnn_core.RNNClassifier(
        [column(work)],
        units=list(work.units),
        cell_type=work.cell,
        n_classes=CLASSES,
        model_dir=settings["model_dir"],
        config=rnn_core.RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None),
    )
    estimator.train(lambda: dataset(work), hooks=[Turn(settings["work"], Windows())])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
