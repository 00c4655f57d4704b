"""Labels that came later, beside what was answered: how often each version was right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.artifacts.values import Interval
from components.errors import DataError
from components.evaluation.intervals import Bootstrap, wilson
from components.monitoring.findings import Feedback, VersionAccuracy
from components.monitoring.logged import LoggedAnswer, ServedLog
from components.monitoring.served_check import answers_of, now_text

_LABEL_TYPES = (str, int, bool)


@dataclass
class Labels:
    """The true labels by the ids of the rows."""

    by_id: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a row its label, or that of each step."""
    contradicting: set[str] = field(default_factory=set)
    """Ids that come with different labels."""
    invalid: int = 0
    """Rows without an id, or without a label."""

    def add(self, row_id: Any, label: Any) -> None:
        """Adds what one row of a source says."""
        found = _texts(label)
        if type(row_id) not in (str, int) or row_id == "" or not found:
            self.invalid += 1
            return
        key = str(row_id)
        if self.by_id.setdefault(key, found) != found:
            self.contradicting.add(key)


def read_labels(pairs: Iterable[tuple[Any, Any]]) -> Labels:
    """The labels of some rows.

    Args:
        pairs: the id and the label of each row, as they are there; None for what is not.

    Raises:
        DataError: no row has both.
    """
    labels = Labels()
    for row_id, label in pairs:
        labels.add(row_id, label)
    if not labels.by_id:
        raise DataError(
            f"expected rows with an id and a label, found none among {labels.invalid:,}: say with "
            "--id and --label how they are called there."
        )
    for key in labels.contradicting:
        del labels.by_id[key]
    return labels


def judge(log: ServedLog, labels: Labels) -> Feedback:
    """How often each version was right in the answers whose label is known.

    Of several answers of a version to one id the last one counts.

    Args:
        log: of the server.
        labels: that came later.

    Raises:
        DataError: no id is in the log.
    """
    last: dict[tuple[int, str], LoggedAnswer] = {}
    unlabelled = 0
    for answer in log.answers():
        if answer.row_id not in labels.by_id:
            unlabelled += 1
            continue
        key = answer.version, answer.row_id
        if key not in last or last[key].seconds <= answer.seconds:
            last[key] = answer
    matched = {row_id for _, row_id in last}
    if not matched:
        raise DataError(
            f"none of {len(labels.by_id):,} ids with a label is in the log {log.folder}: it is a "
            "sample, its oldest files are removed, and the ids must be those of the requests or of "
            "their answers."
        )
    judged = {key: _judged(answer, labels.by_id[key[1]]) for key, answer in last.items()}
    versions = sorted({version for version, _ in last}, reverse=True)
    return Feedback(
        time=now_text(),
        versions=tuple(
            _accuracy(version, {key: each for key, each in judged.items() if each}, last)
            for version in versions
        ),
        labelled=len(labels.by_id),
        matched=len(matched),
        misfits=sum(each is None for each in judged.values()),
        contradicting=len(labels.contradicting),
        invalid=labels.invalid,
        unlabelled=unlabelled,
    )


def _judged(answer: LoggedAnswer, true: tuple[str, ...]) -> tuple[int, int] | None:
    """How many answers to a row are right, and how many there are; None if they do not fit."""
    answered, _ = answers_of(answer)
    if len(answered) != len(true):
        return None
    return sum(a == b for a, b in zip(answered, true, strict=True)), len(true)


def _accuracy(
    version: int,
    judged: Mapping[tuple[int, str], tuple[int, int]],
    last: Mapping[tuple[int, str], LoggedAnswer],
) -> VersionAccuracy:
    own = {key: each for key, each in judged.items() if key[0] == version}
    confidences = [each for key in own for each in answers_of(last[key])[1]]
    right, total = (sum(each[place] for each in own.values()) for place in (0, 1))
    in_steps = any(isinstance(last[key].label, list) for key in own)
    return VersionAccuracy(
        version,
        len(own),
        total,
        _of_steps(list(own.values())) if in_steps else wilson(right, total),
        float(np.mean(confidences)) if confidences else None,
    )


def _of_steps(judged: list[tuple[int, int]]) -> Interval:
    # The steps of a row depend on each other: whole rows are drawn.
    bootstrap = Bootstrap(np.array(judged, np.float64))
    return bootstrap.interval(lambda sums: sums[:, 0] / sums[:, 1], limits=(0.0, 1.0))


def _texts(label: Any) -> tuple[str, ...]:
    """The label of a row, or those of its steps, as texts; empty if there is none."""
    values = label if isinstance(label, list) else [label]
    if not all(type(each) in _LABEL_TYPES and each != "" for each in values):
        return ()
    # As the rows have them: JSON's true and false.
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in values)
