"""Names of cells and their weights in checkpoints: the same in every process and every model.

Keras numbers what nobody named through the whole process (``lstm_cell_7``); here the numbers start
anew in each model, as they did in each graph of ``tf.estimator``: ``lstm_cell``, ``lstm_cell_1``.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any


class UniqueNames:
    """Numbers a name from its second use on: ``a``, ``a_1``, ``a_2``."""

    def __init__(self) -> None:
        self._uses: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        """A name that was not given before."""
        number = self._uses[name]
        self._uses[name] += 1
        return f"{name}_{number}" if number else name


def snake_case(name: str) -> str:
    """``SimpleRNNCell`` as ``simple_rnn_cell``."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])|([a-z0-9])([A-Z])", r"\1\3_\2\4", name.lstrip("_"))
    return words.lower()


def name_of(thing: Any) -> str:
    """The name that the user gave, or the class's without a number."""
    of_class = snake_case(type(thing).__name__)
    given = getattr(thing, "name", None)
    if not isinstance(given, str) or re.fullmatch(rf"{of_class}(_\d+)?", given):
        return of_class
    return given


def below(path: str, names: UniqueNames, known: dict[str, str]) -> str:
    """The path of a weight below its cell, with the numbers of each layer on it started anew.

    Args:
        path: such as ``my_cell_3/dense_7/kernel``.
        names: gives each layer of the cell its number.
        known: layers that have theirs; this one's are added.
    """
    *layers, weight = path.split("/")[1:]
    for layer in layers:
        if layer not in known:
            known[layer] = names(re.sub(r"_\d+$", "", layer))
    return "/".join([*(known[layer] for layer in layers), weight])
