"""Which rows a fit is trained on, and which it is held against: of whole splits, or of folds."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from components.artifacts.values import Split


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Selection:
    """The rows of some splits; with ``folds`` those of one fold of them, or of all other folds."""

    splits: tuple[Split, ...]
    folds: int = 0
    """How many folds there are; 0: all rows are meant."""
    fold: int = 0
    """Which one, from 0 on."""
    held_out: bool = False
    """Whether the rows of that fold are meant, and not those of the others."""


def assign_folds(ids: Sequence[str], labels: Sequence[str], folds: int) -> list[int]:
    """The fold of each row, in the order of the rows.

    The rows of a label are dealt out to the folds in turn, in the order of a hash of their ids: of
    each label, and of all rows, a fold has as many as another one or one more. The same rows get
    the same folds in whatever order they come.
    """
    by_label: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        by_label[label].append(row)
    result = [0] * len(ids)
    # Where one label ended the next goes on, or the first folds would get all that is left over.
    dealt = 0
    for label in sorted(by_label):
        for row in sorted(by_label[label], key=lambda row: _hash(ids[row])):
            result[row] = dealt % folds
            dealt += 1
    return result


def _hash(row_id: str) -> bytes:
    # Not the hash that decides the splits: the rows of validation are neighbours by that one, and
    # would all go to other folds than those of training.
    return hashlib.sha256(f"fold of {row_id}".encode()).digest()
