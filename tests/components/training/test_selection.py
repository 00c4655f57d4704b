"""Folds: each row is held out once, and of each label about as many as in any other fold."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from components.training.selection import assign_folds


def _rows(seed: int) -> tuple[list[str], list[str], int]:
    draw = random.Random(seed)
    count, labels = draw.randint(1, 300), draw.randint(1, 40)
    ids = [f"row-{number}" for number in range(count)]
    return ids, [f"label {draw.randrange(labels)}" for _ in ids], draw.randint(2, 12)


@pytest.mark.parametrize("seed", range(30))
def test_each_row_has_one_fold_and_the_folds_of_each_label_and_of_all_differ_by_one_row(
    seed: int,
) -> None:
    ids, labels, folds = _rows(seed)
    assigned = assign_folds(ids, labels, folds)
    assert len(assigned) == len(ids)
    assert set(assigned) <= set(range(folds))
    groups = [assigned]
    groups += [[fold for fold, of in zip(assigned, labels, strict=True) if of == label]
               for label in set(labels)]  # fmt: skip
    for group in groups:
        sizes = Counter(group)
        assert max(sizes[fold] for fold in range(folds)) <= 1 + min(
            sizes[fold] for fold in range(folds)
        )


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_rows_changes_no_fold(seed: int) -> None:
    ids, labels, folds = _rows(seed)
    assigned = dict(zip(ids, assign_folds(ids, labels, folds), strict=True))
    order = random.Random(seed).sample(range(len(ids)), len(ids))
    shuffled = [ids[row] for row in order], [labels[row] for row in order]
    assert dict(zip(shuffled[0], assign_folds(*shuffled, folds), strict=True)) == assigned
