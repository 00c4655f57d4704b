"""The bounds of the gate: metrics against the least and the greatest value that they may have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from components.artifacts.values import Interval, RuleResult
from components.evaluation.wording import distinct, finite
from components.gate_config import Bound, BoundedMetric
from components.metrics import METRICS, Metric


def bound_rules(
    overall: Mapping[str, Interval], bounds: Mapping[BoundedMetric, Bound], labels: int
) -> Iterator[RuleResult]:
    """One rule for each end of each bound.

    Args:
        overall: the metrics that were measured, by their keys.
        bounds: by the same keys.
        labels: how many there are.
    """
    for key, bound in bounds.items():
        seen = overall.get(key)
        if seen is None:
            end = "max" if bound.min is None else "min"
            reason = _not_measured(METRICS[key], labels)
            yield RuleResult(f"{key}.{end}", False, None, "measured", reason)
            continue
        if bound.min is not None:
            words = ("at least", "below the minimum")
            yield _limit(key, "min", seen, bound.min, seen.value >= bound.min, words)
        if bound.max is not None:
            words = ("at most", "above the maximum")
            yield _limit(key, "max", seen, bound.max, seen.value <= bound.max, words)


def _not_measured(metric: Metric, labels: int) -> str:
    if metric.needs is None:
        return f"{metric.label} was not measured"
    return (
        f"{metric.label} is measured {metric.needs.words}, and there are {labels:,} labels; bound "
        f"{metric.needs.bound_instead} in its place"
    )


def _limit(
    key: str, end: str, seen: Interval, limit: float, passed: bool, words: tuple[str, str]
) -> RuleResult:
    rule, name = f"{key}.{end}", METRICS[key].label
    bound = f"{words[0]} {limit:.4g}"
    if math.isnan(seen.value):
        return RuleResult(rule, False, None, bound, f"{name} is not a number")
    value, limit_text = distinct(seen.value, limit)
    # The interval decides nothing: a bound is a promise about the value. It tells the reader
    # whether another test split might have passed.
    noise = not passed and seen.low <= limit <= seen.high
    reason = (
        f"{name} {value} is {words[0] if passed else words[1]} {limit_text} "
        f"(95 % interval {seen.low:.4g} to {seen.high:.4g}"
        f"{', so the shortfall may be chance' if noise else ''})"
    )
    return RuleResult(rule, passed, finite(seen.value), bound, reason)
