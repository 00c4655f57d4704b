"""The requests of a log beside the rows that the champion was trained on, and what was answered."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson
import pyarrow as pa

from components.artifacts.schema import Schema
from components.data.passes.row_sample import LABEL
from components.data.sources.source import Record
from components.drift.drift import check_rows
from components.errors import DataError
from components.features.config import AnyFeature
from components.features.summaries import SummariesConfig
from components.monitoring.findings import ServedCheck, VersionAnswers
from components.monitoring.logged import LoggedAnswer, ServedLog


def check_served(log: ServedLog, schema: Schema, reference: pa.Table, version: int) -> ServedCheck:
    """Compares the logged requests with the training rows of the champion, and counts its answers.

    Args:
        log: of the server.
        schema: how the champion reads rows.
        reference: the sample of its training rows.
        version: of the champion.

    Raises:
        DataError: there are too few rows, or no sequence is in the log.
    """
    dropped = _dropped_features(log.dropped(), schema)
    tallies: dict[int, _Tally] = {}
    drift, invalid = check_rows(
        _records(log, tallies), _without(schema, dropped), reference, version
    )
    return ServedCheck(
        time=now_text(),
        drift=drift,
        invalid_rows=invalid,
        not_compared=tuple(sorted(dropped)),
        answers=tuple(tallies[each].answers(each) for each in sorted(tallies, reverse=True)),
        training_labels=_label_shares(reference),
        unreadable_lines=log.unreadable_lines,
    )


def now_text() -> str:
    """The time as findings have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclasses.dataclass
class _Tally:
    """What one version answered, so far."""

    rows: int = 0
    labels: Counter[str] = dataclasses.field(default_factory=Counter)
    confidences: int = 0
    confidence_sum: float = 0.0

    def add(self, answer: LoggedAnswer) -> None:
        labels, confidences = answers_of(answer)
        self.rows += 1
        self.labels.update(labels)
        self.confidences += len(confidences)
        self.confidence_sum += sum(confidences)

    def answers(self, version: int) -> VersionAnswers:
        mean = self.confidence_sum / self.confidences if self.confidences else None
        return VersionAnswers(version, self.rows, dict(self.labels.most_common()), mean)


def answers_of(answer: LoggedAnswer) -> tuple[list[str], list[float]]:
    """The labels of a row, one or that of each step, and those of their probabilities that are."""
    labels = answer.label if isinstance(answer.label, list) else [answer.label]
    found = answer.confidence if isinstance(answer.confidence, list) else [answer.confidence]
    # A probability that is no number is null in JSON.
    numbers = [float(each) for each in found if each is not None and math.isfinite(each)]
    return list(map(str, labels)), numbers


def _records(log: ServedLog, tallies: dict[int, _Tally]) -> Iterator[Record]:
    """Each request once; on the way all answers are counted."""
    seen_rows: set[int] = set()
    seen_ids: set[int] = set()
    for number, answer in enumerate(log.answers(), start=1):
        tallies.setdefault(answer.version, _Tally()).add(answer)
        # A client that asks again for the same row adds nothing to what is known of the rows.
        whole = hash(orjson.dumps(answer.row, default=str))
        if whole in seen_rows:
            continue
        seen_rows.add(whole)
        key, row = hash(answer.row_id), answer.row
        # Other values under the same id are another row: a sample has an id once.
        if key in seen_ids:
            row = {**row, "id": f"{answer.row_id} {number}"}
        seen_ids.add(key)
        yield Record(number, b"", row)


def _dropped_features(dropped: frozenset[str], schema: Schema) -> frozenset[str]:
    """The features that are not in the log, by their names in the rows."""
    parts = {"context": schema.features.context, "sequence": schema.features.sequence}
    return frozenset(
        feature.in_rows(key)
        for part, features in parts.items()
        for key, feature in features.items()
        if not dropped.isdisjoint((part, feature.in_rows(key)))
    )


def _without(schema: Schema, dropped: frozenset[str]) -> Schema:
    """The schema of the features that are in the log."""
    features = schema.features

    def kept(part: dict[str, AnyFeature]) -> dict[str, AnyFeature]:
        return {key: each for key, each in part.items() if each.in_rows(key) not in dropped}

    if not dropped:
        return schema
    sequence = kept(features.sequence)
    if not sequence:
        raise DataError(
            f"the log holds no sequence, as --log-drop left out {', '.join(sorted(dropped))}: "
            "there is nothing to compare."
        )
    # What sums up sequences is not compared, and might miss one of them.
    fewer = dataclasses.replace(
        features, sequence=sequence, context=kept(features.context), summaries=SummariesConfig()
    )
    return dataclasses.replace(schema, features=fewer)


def _label_shares(reference: pa.Table) -> dict[str, float]:
    if LABEL.column not in reference.column_names:
        return {}
    labels = Counter(reference.column(LABEL.column).drop_null().to_pylist())
    total = sum(labels.values())
    return {label: count / total for label, count in labels.most_common()}
