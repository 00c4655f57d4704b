"""What both sides measure of an estimator, and how far two measurements are apart.

Both estimators have the same interface, so one function measures both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from tests.parity import cases
from tests.parity.cases import Case

Measurement: TypeAlias = dict[str, np.ndarray]

BOUND: Final = 1e-5
"""The largest ``difference`` that counts as equal."""


def evaluation(tf: Any, estimator: Any, case: Case) -> Measurement:
    """Every metric, by ``evaluate/<name>``."""
    metrics = estimator.evaluate(cases.evaluate_input(tf, case))
    return {f"evaluate/{name}": np.asarray(value) for name, value in metrics.items()}


def predictions(tf: Any, estimator: Any, case: Case) -> Measurement:
    """Every prediction of all rows, [N, ...], by ``predict/<name>``."""
    rows = list(estimator.predict(cases.predict_input(tf, case)))
    return {f"predict/{name}": _stacked([row[name] for row in rows]) for name in rows[0]}


def _stacked(values: list[np.ndarray]) -> np.ndarray:
    """Strings, which come as objects, become bytes: they can be saved without pickling."""
    stacked = np.stack(values)
    return stacked.astype("S") if stacked.dtype == object else stacked


def variables(estimator: Any) -> Measurement:
    """Everything in the newest checkpoint, by ``variable/<name>``."""
    names = estimator.get_variable_names()
    return {f"variable/{name}": np.asarray(estimator.get_variable_value(name)) for name in names}


def event_tags(tf: Any, directory: Path) -> dict[str, list[str]]:
    """Tags in the event files of a directory, by step."""
    tags: dict[int, set[str]] = {}
    for path in directory.glob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                tags.setdefault(int(event.step), set()).add(value.tag)
    return {str(step): sorted(names) for step, names in sorted(tags.items())}


def event_histograms(tf: Any, directory: Path) -> dict[str, dict[str, Any]]:
    """The histograms in the event files of a directory, by step and tag."""
    found: dict[str, dict[str, Any]] = {}
    for path in directory.glob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.HasField("histo"):
                    found.setdefault(str(event.step), {})[value.tag] = _plain(value.histo)
    return found


def _plain(message: Any) -> dict[str, Any]:
    """The fields of a message of numbers and lists of numbers."""
    fields = {field.name: value for field, value in message.ListFields()}
    return {name: one if isinstance(one, float) else list(one) for name, one in fields.items()}


def differences(
    ours: Measurement, theirs: Measurement, before: Measurement | None = None
) -> dict[str, float]:
    """The ``difference`` of each value, by name; infinite if it is on one side only."""
    before = before or {}
    return {
        name: difference(ours[name], theirs[name], before.get(name))
        if name in ours and name in theirs
        else float("inf")
        for name in sorted(ours.keys() | theirs.keys())
    }


def difference(ours: np.ndarray, theirs: np.ndarray, before: np.ndarray | None = None) -> float:
    """The largest |ours - theirs| over the largest |theirs|.

    Relative to the tensor and not to each element: an element that is small because large terms
    cancel has the rounding of those terms. For the same reason the largest is also looked for in
    ``before``, what a variable was when the steps began: one that moves from 0.1 to 0.0001 keeps
    the rounding of 0.1. What is not a float must be equal; another shape is infinitely far away.
    """
    if ours.shape != theirs.shape:
        return float("inf")
    if theirs.dtype.kind != "f":
        return 0.0 if np.array_equal(ours, theirs) else float("inf")
    apart = np.abs(ours.astype(np.float64) - theirs).max(initial=0)
    largest = np.abs(theirs).max(initial=0)
    if before is not None:
        largest = max(largest, np.abs(before).max(initial=0))
    if apart == 0:
        return 0.0
    return float(apart / largest) if largest and np.isfinite(apart) else float("inf")
