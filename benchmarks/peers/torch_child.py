"""Trains with torch; rows of different lengths are packed."""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import numpy as np
import torch

from benchmarks.peers.work import (
    CLASSES,
    CLIP_NORM,
    EVERY_WORK,
    LEARNING_RATE,
    LOSS_STEP,
    Work,
    batches,
    weights,
)
from benchmarks.processes.windows import Windows


class Model(torch.nn.Module):
    """Layers of one width, one on top of the other, and logits from the last state."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[work.cell]
        widths = (work.features, *work.units)
        self.layers = torch.nn.ModuleList(
            kind(width, units, batch_first=True) for width, units in itertools.pairwise(widths)
        )
        self.logits = torch.nn.Linear(work.units[-1], CLASSES)
        self._take(work)

    def forward(self, values: Any, lengths: Any) -> Any:
        steps = values
        if lengths is not None:
            pack = torch.nn.utils.rnn.pack_padded_sequence
            steps = pack(values, lengths, batch_first=True, enforce_sorted=False)
        for layer in self.layers:
            steps, state = layer(steps)
        hidden = state[0] if isinstance(state, tuple) else state
        return self.logits(hidden[-1])

    def _take(self, work: Work) -> None:
        """The weights that all begin with. torch has its kernels turned, and a bias more."""
        *given, kernel, bias = weights(work)
        for index, layer in enumerate(self.layers):
            inputs, states, own = given[3 * index : 3 * index + 3]
            _set(layer.weight_ih_l0, _gates(work, inputs).T)
            _set(layer.weight_hh_l0, _gates(work, states).T)
            biases = _gates(work, own if own.ndim == 2 else np.stack([own, 0 * own]))
            _set(layer.bias_ih_l0, biases[0])
            _set(layer.bias_hh_l0, biases[1])
            # A second bias of an LSTM, which others do not have, would double what both learn.
            layer.bias_hh_l0.requires_grad_(own.ndim == 2)
        _set(self.logits.weight, kernel.T)
        _set(self.logits.bias, bias)


def _gates(work: Work, value: Any) -> Any:
    """torch has the reset gate of a GRU first, Keras the update gate."""
    if work.cell == "lstm":
        return value
    update, reset, candidate = np.split(value, 3, axis=1)
    return np.concatenate([reset, update, candidate], 1)


def _set(parameter: Any, value: Any) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def main(settings: dict[str, Any]) -> None:
    """``work``, ``threads``."""
    torch.set_num_threads(settings["threads"])
    work, windows = EVERY_WORK[settings["work"]], Windows()
    model = Model(work)
    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.Adagrad(trained, LEARNING_RATE, initial_accumulator_value=0.1, eps=1e-7)
    data = [
        (
            torch.from_numpy(one.values),
            torch.from_numpy(one.lengths) if work.is_ragged else None,
            torch.from_numpy(one.labels),
        )
        for one in batches(work)
    ]
    next_window = LOSS_STEP
    for step, (values, lengths, labels) in enumerate(itertools.cycle(data), 1):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(values, lengths), labels)
        loss.backward()
        for one in trained:
            torch.nn.utils.clip_grad_norm_([one], CLIP_NORM)
        optimizer.step()
        if step == next_window:
            next_window += work.window_steps
            if not windows.end_window(loss=loss.item()):
                return


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
