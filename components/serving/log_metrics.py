"""The log of answers in ``/metrics``, and what was last found in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final, Generic

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from components.artifacts.drift import DriftCheck
from components.monitoring.answer_log import AnswerLog
from components.monitoring.findings import Feedback, Findings, ServedCheck, find_last, path_of

_MOST_LABELS: Final = 50
"""Series of label shares: of more labels those with the largest shares are shown."""


class LastFindings:
    """What the folder of a log says of its last check and its last feedback.

    Nothing is read when ``/metrics`` is asked for: that would wait for a slow disk, and with it the
    answers.
    """

    def __init__(self, folder: Path) -> None:
        self._check = _Last(folder, ServedCheck)
        self._feedback = _Last(folder, Feedback)

    def look(self) -> None:
        """Reads what is new."""
        self._check.look()
        self._feedback.look()

    @property
    def check(self) -> ServedCheck | None:
        """The last check."""
        return self._check.found

    @property
    def feedback(self) -> Feedback | None:
        """The last feedback."""
        return self._feedback.found


class _Last(Generic[Findings]):
    def __init__(self, folder: Path, kind: type[Findings]) -> None:
        self._folder = folder
        self._kind: type[Findings] = kind
        self._seen: tuple[int, int] | None = None
        self.found: Findings | None = None

    def look(self) -> None:
        try:
            status = path_of(self._folder, self._kind).stat()
        except OSError:
            self._seen = self.found = None
            return
        # Another file takes its place each time.
        seen = status.st_ino, status.st_mtime_ns
        if seen != self._seen:
            self.found = find_last(self._folder, self._kind)
            self._seen = seen


class LogCollector(Collector):
    """What Prometheus hears of a log.

    Args:
        log: that is written.
        last: what was found in it.
    """

    def __init__(self, log: AnswerLog, last: LastFindings) -> None:
        self._log = log
        self._last = last

    def collect(self) -> Iterator[Metric]:
        """All of it, as it is now."""
        yield CounterMetricFamily(
            "rnnflow_logged_rows", "Answered rows that are in the log.", self._log.written_rows
        )
        lost = CounterMetricFamily(
            "rnnflow_log_lost_rows",
            "Answered rows that were to be logged and are not.",
            labels=["reason"],
        )
        for reason, count in sorted(self._log.lost_rows.items()):
            lost.add_metric([reason], count)
        yield lost
        yield _gauge("log_bytes", "Of all files of the log.", self._log.total_bytes)
        if self._last.check is not None:
            yield from _of_check(self._last.check)
        if self._last.feedback is not None:
            yield from _of_feedback(self._last.feedback)


def _of_check(found: ServedCheck) -> Iterator[Metric]:
    drift = found.drift
    yield _gauge("check_time_seconds", "When the log was last checked.", _seconds(found.time))
    yield _gauge("check_rows", "Logged rows that were compared with the training.", drift.rows)
    yield _gauge("check_invalid_rows", "Logged rows that the champion refuses.", found.invalid_rows)
    yield _gauge("check_alarms", "Checks that found drift.", len(drift.alarms))
    yield _gauge("check_version", "The version that was the champion.", drift.version or 0)
    distances = _gauge("check_distance", "The largest distance of a feature.", labels=["feature"])
    alarms = _gauge("check_feature_alarms", "Checks of it that found drift.", labels=["feature"])
    for feature, checks in _by_feature(drift.checks).items():
        distances.add_metric([feature], max(check.distance for check in checks))
        alarms.add_metric([feature], sum(check.is_alarm for check in checks))
    yield from (distances, alarms)
    shares = _gauge(
        "check_label_share",
        "Of the champion's answers, and of its training.",
        labels=["label", "of"],
    )
    answered = {} if found.of_champion is None else found.of_champion.shares
    for name, each in (("answers", answered), ("training", found.training_labels)):
        for label, share in islice(each.items(), _MOST_LABELS):
            shares.add_metric([label, name], share)
    yield shares
    estimated = _gauge(
        "check_estimated_accuracy",
        "The mean probability of the answers, which is an estimate.",
        labels=["version"],
    )
    for one in found.answers:
        if one.confidence is not None:
            estimated.add_metric([str(one.version)], one.confidence)
    yield estimated


def _of_feedback(found: Feedback) -> Iterator[Metric]:
    yield _gauge("feedback_time_seconds", "When labels last came.", _seconds(found.time))
    rows = _gauge("feedback_rows", "Answers whose label is known.", labels=["version"])
    accuracy = _gauge(
        "feedback_accuracy", "The true accuracy, and its interval.", labels=["version", "end"]
    )
    for each in found.versions:
        version, interval = str(each.version), each.accuracy
        rows.add_metric([version], each.rows)
        ends = {"value": interval.value, "low": interval.low, "high": interval.high}
        for end, value in ends.items():
            accuracy.add_metric([version, end], value)
    yield from (rows, accuracy)


def _by_feature(checks: tuple[DriftCheck, ...]) -> dict[str, list[DriftCheck]]:
    """The checks of each feature; those of the row as a whole by what they are about."""
    found: dict[str, list[DriftCheck]] = {}
    for check in checks:
        found.setdefault(check.feature or check.what, []).append(check)
    return found


def _gauge(
    name: str, text: str, value: float | None = None, labels: list[str] | None = None
) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"rnnflow_{name}", text, value, labels)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
