"""Tests between two samples of rows: one check for each aspect of each number or feature.

Numbers: the two-sample Kolmogorov-Smirnov test; its statistic, the largest distance between the two
distribution functions, is the size of the difference. Tokens and labels: Pearson's chi-squared test
on the counts, with one class for those that are rare and one for those that are not known; the size
is the total variation distance, half the sum of the absolute differences of the shares. Both sizes
are in [0, 1].

A check is an alarm if its difference is significant, at one percent for all checks of a comparison
together (Holm, 1979), and large enough to matter.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats

from components.artifacts.drift import DriftCheck
from components.data.passes.row_sample import CONTENT, KEY, Aspect, is_complete

LEVEL: Final = 0.01
"""Of all checks of a comparison together: of equal data one in a hundred has an alarm."""
LEAST_DISTANCE: Final = 0.1
"""Of many rows, differences that matter to nobody are significant, too."""
LEAST_ROWS: Final = 50
"""With fewer new rows hardly anything is significant."""
_LEAST_EXPECTED: Final = 5
"""Rows that a class of the chi-squared test is to have, in the smaller sample: Cochran's rule."""


def compare(reference: pa.Table, rows: pa.Table) -> tuple[DriftCheck, ...]:
    """Compares two samples, the largest difference first.

    Args:
        reference: the sample of the rows that a model was trained on.
        rows: that of others.
    """
    checks = [
        check
        for name in reference.column_names
        if name not in (KEY, CONTENT) and name in rows.column_names
        for check in _of_aspect(
            Aspect(*json.loads(name)), reference.column(name), rows.column(name)
        )
    ]
    adjusted = holm([check.p_value for check in checks])
    judged = [
        DriftCheck(
            one.feature, one.what, one.place, one.p_value, one.distance, one.before, one.now,
            bool(p < LEVEL and one.distance >= LEAST_DISTANCE),
        )
        for one, p in zip(checks, adjusted, strict=True)
    ]  # fmt: skip
    return tuple(sorted(judged, key=lambda one: (not one.is_alarm, -one.distance)))


def new_rows(reference: pa.Table, rows: pa.Table, *, all_unknown: bool = False) -> pa.Table:
    """The rows that the reference has not: those that are in both would hide a difference.

    Args:
        reference: the sample of the rows that a model was trained on.
        rows: that of others.
        all_unknown: whether a row counts of which it is not known, as it is above the last one of
            a sample that has not all rows.
    """
    known = set(_identities(reference))
    bound = None
    if not is_complete(reference) and not all_unknown:
        bound = max(reference.column(KEY).to_pylist())
    fresh = [
        (bound is None or key <= bound) and (key, content) not in known
        for key, content in _identities(rows)
    ]
    return rows.filter(pa.array(fresh, pa.bool_()))


def _identities(rows: pa.Table) -> Iterator[tuple[bytes, bytes]]:
    yield from zip(rows.column(KEY).to_pylist(), rows.column(CONTENT).to_pylist(), strict=True)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted for all of them: p times the number of those that are not smaller, and monotone."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.zeros(len(p_values))
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = largest
    return adjusted.tolist()


def _of_aspect(
    aspect: Aspect, reference: pa.ChunkedArray, rows: pa.ChunkedArray
) -> Iterator[DriftCheck]:
    before, now = reference.drop_null(), rows.drop_null()
    if not len(before) or not len(now) or before.type != now.type:
        return
    if pa.types.is_string(before.type):
        yield _of_tokens(aspect, before.to_pylist(), now.to_pylist())
        return
    first, second = _numbers(before), _numbers(now)
    width = min(first.shape[1], second.shape[1])
    for place in range(width):
        a, b = first[:, place], second[:, place]
        found = stats.ks_2samp(a, b, method="asymp")
        yield DriftCheck(
            aspect.feature, aspect.what, place if width > 1 else None, float(found.pvalue),
            float(found.statistic), _quartiles(a), _quartiles(b),
        )  # fmt: skip


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """[rows, F]."""
    flat = pc.list_flatten(column).to_numpy()
    return np.asarray(flat, np.float64).reshape(len(column), -1)


def _quartiles(values: NDArray[np.float64]) -> str:
    return " / ".join(f"{each:.4g}" for each in np.quantile(values, (0.25, 0.5, 0.75)))


def _of_tokens(aspect: Aspect, before: Sequence[str], now: Sequence[str]) -> DriftCheck:
    # Half of the reference says which tokens are known, the other half how many are not even where
    # nothing has changed. The rows are in the order of hashes, so that both are drawn at random.
    half = len(before) // 2
    known, held_out = Counter(before[:half]), before[half:]
    least = _LEAST_EXPECTED * (len(before) + len(now)) / min(len(held_out), len(now))
    every = Counter(before) + Counter(now)
    common = {token for token, count in every.items() if token in known and count >= least}

    def kind(token: str) -> str:
        return token if token in common else "\0rare" if token in known else "\0unknown"

    counts = Counter(map(kind, held_out)), Counter(map(kind, now))
    table = np.array([[one[each] for each in sorted(counts[0] | counts[1])] for one in counts])
    shares = table / table.sum(axis=1, keepdims=True)
    p_value = 1.0 if table.shape[1] < 2 else float(stats.chi2_contingency(table)[1])
    seen = set(before)
    unseen = sum(token not in seen for token in now)
    new = f"; {unseen / len(now):.0%} unseen before" if unseen else ""
    return DriftCheck(
        aspect.feature, aspect.what, None, p_value, float(np.abs(shares[0] - shares[1]).sum() / 2),
        _commonest(Counter(before)), _commonest(Counter(now)) + new,
    )  # fmt: skip


def _commonest(counts: Counter[str]) -> str:
    total = sum(counts.values())
    first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    return ", ".join(f"{token!r} {count / total:.0%}" for token, count in first)
