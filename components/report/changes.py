"""What is not as it was: rows that are answered otherwise, and runs that differ in what made them.

Shapes: N rows, A answers of them.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from components.artifacts.predictions import PredictionTable

ROWS_SHOWN = 20
"""As many as a person looks at one by one; the files of the predictions hold all."""


@dataclasses.dataclass(frozen=True)
class Change:
    """One thing that is not as it was."""

    name: str
    before: str
    now: str


@dataclasses.dataclass(frozen=True)
class SinceChampion:
    """What has changed since the run that made the champion."""

    version: int
    run_id: str = ""
    """Of that run; empty where the work directory does not have it."""
    facts: tuple[Change, ...] = ()
    """Of data, code and packages."""
    settings: tuple[Change, ...] = ()
    """Of the config, by their paths."""
    has_facts: bool = True
    """Whether that run left its lineage, which those of older releases did not."""


@dataclasses.dataclass(frozen=True)
class LineageStep:
    """One thing that a model was made of, or became: its digest or number, and words about it."""

    name: str
    digest: str
    about: str = ""


@dataclasses.dataclass(frozen=True)
class ChangedAnswer:
    """An answer in which the candidate and the champion differ, with both probabilities."""

    id: str
    label: str
    champion: str
    champion_probability: float
    candidate: str
    candidate_probability: float
    who_is_right: str
    """``champion``, ``candidate``, or ``neither``."""
    step: int | None = None
    """The step of the row, where each has a label; the first is 0."""


@dataclasses.dataclass(frozen=True)
class ChangedAnswers:
    """How many answers differ, and the first of them: what was lost, then what was gained."""

    count: int
    shown: tuple[ChangedAnswer, ...]


def changed_answers(
    candidate: PredictionTable, champion: PredictionTable, shown: int = ROWS_SHOWN
) -> ChangedAnswers:
    """Compares two models on the same rows, in whatever order.

    Where only the champion is right comes first, then where only the candidate is, then where
    neither is; among these, where the candidate is most certain.
    """
    champion = champion.of_ids(candidate.ids)
    ours, theirs = np.array(candidate.predicted), np.array(champion.predicted)
    (differ,) = np.nonzero(ours != theirs)
    # 0 if the champion alone is right, 1 if the candidate alone is, 2 if neither is.
    kind = np.where(champion.correct, 0, np.where(candidate.correct, 1, 2))
    top = _top(candidate)
    rows = candidate.row_of_answer.tolist()
    ids = candidate.ids
    order = sorted(
        differ.tolist(), key=lambda answer: (kind[answer], -top[answer], ids[rows[answer]])
    )
    first = candidate.row_lengths.cumsum() - candidate.row_lengths
    other_top = _top(champion)
    answers = tuple(
        ChangedAnswer(
            id=ids[rows[answer]],
            label=candidate.labels[answer],
            champion=str(theirs[answer]),
            champion_probability=float(other_top[answer]),
            candidate=str(ours[answer]),
            candidate_probability=float(top[answer]),
            who_is_right=("champion", "candidate", "neither")[int(kind[answer])],
            step=int(answer - first[rows[answer]]) if candidate.task.in_clusters else None,
        )
        for answer in order[:shown]
    )
    return ChangedAnswers(len(differ), answers)


def _top(table: PredictionTable) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """[A]: the probability of what was answered; 0 without an answer."""
    return np.where(table.predicted_index >= 0, table.probabilities.max(axis=1), 0.0)
