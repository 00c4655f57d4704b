"""What was last found of what is served, as values and as files in the folder of the log.

``last_check.json`` is what ``rnnflow check --served`` found, ``last_feedback.json`` what
``rnnflow feedback`` did. A server that writes the log shows both in ``/metrics``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from components.artifacts.drift import Drift
from components.artifacts.storage import write_atomically
from components.artifacts.values import Interval

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class VersionAnswers:
    """What one version answered."""

    version: int
    rows: int
    labels: dict[str, int]
    """How often each label was answered, the commonest first; where each step has one, of steps."""
    confidence: float | None
    """The mean probability of the answers; None without any."""

    @property
    def shares(self) -> dict[str, float]:
        """The share of each label."""
        total = sum(self.labels.values())
        return {label: count / total for label, count in self.labels.items()}


@dataclass(frozen=True, config=_STRICT)
class ServedCheck:
    """The logged requests beside the rows that the champion was trained on."""

    time: str
    """When it was made: ISO 8601, in UTC."""
    drift: Drift
    invalid_rows: int
    not_compared: tuple[str, ...]
    """Features that are not in the log."""
    answers: tuple[VersionAnswers, ...]
    """Of each version, the newest first."""
    training_labels: dict[str, float]
    """The share of each label in the rows that the champion was trained on."""
    unreadable_lines: int = 0

    @property
    def of_champion(self) -> VersionAnswers | None:
        """What the champion answered; None if nothing of it is in the log."""
        found = [each for each in self.answers if each.version == self.drift.version]
        return found[0] if found else None

    @property
    def label_distance(self) -> float | None:
        """Half the sum of the differences between the champion's shares and those of training."""
        if self.of_champion is None or not self.training_labels:
            return None
        answered, trained = self.of_champion.shares, self.training_labels
        return 0.5 * sum(
            abs(answered.get(label, 0.0) - trained.get(label, 0.0)) for label in answered | trained
        )


@dataclass(frozen=True, config=_STRICT)
class VersionAccuracy:
    """How often one version was right, of the answers whose true label is known."""

    version: int
    rows: int
    answers: int
    """The rows, or their steps where each has a label."""
    accuracy: Interval
    confidence: float | None
    """The mean probability of these answers: what their accuracy was estimated at."""


@dataclass(frozen=True, config=_STRICT)
class Feedback:
    """Logged answers beside the labels that came later."""

    time: str
    """When it was made: ISO 8601, in UTC."""
    versions: tuple[VersionAccuracy, ...]
    """The newest first."""
    labelled: int
    """Ids with a label."""
    matched: int
    """Those of them that are in the log."""
    misfits: int = 0
    """Answers to steps whose row has another number of labels; they are in no accuracy."""
    contradicting: int = 0
    """Ids with several labels that differ; they are in no other count."""
    invalid: int = 0
    """Rows of the labels without an id, or without a label."""
    unlabelled: int = 0
    """Logged answers whose id has no label."""

    @property
    def unmatched(self) -> int:
        """Ids with a label that are not in the log."""
        return self.labelled - self.matched


Findings = TypeVar("Findings", ServedCheck, Feedback)
_FILES: Final = {ServedCheck: "last_check.json", Feedback: "last_feedback.json"}


def path_of(folder: Path, kind: type[Findings]) -> Path:
    """The file of the last findings of a kind."""
    return folder / _FILES[kind]


def write_last(folder: Path, found: ServedCheck | Feedback) -> None:
    """Keeps findings in the folder of the log.

    Raises:
        StorageError: the folder cannot be written.
    """
    content = TypeAdapter(type(found)).dump_json(found, indent=1)
    write_atomically(folder / _FILES[type(found)], content + b"\n")


def find_last(folder: Path, kind: type[Findings]) -> Findings | None:
    """The last findings of a kind; None if there are none that this release can read."""
    try:
        return TypeAdapter(kind).validate_json(path_of(folder, kind).read_bytes())
    except (OSError, ValidationError):
        return None
