"""The champion on the candidate's test rows: read by its own schema, scored by its own graph.

Its schema may differ from that of this run's examples, which hold only what the config names now.
Where it reads a feature in another way, or one that the examples lack, the rows are read from
their files again. A row that the champion cannot read leaves nothing to compare: on fewer rows
than the candidate's, the comparison would not be paired.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from components.artifacts.predictions import TABLES, PredictionTable
from components.artifacts.schema import SCHEMA, Schema, load_schema, schema_directory
from components.artifacts.values import (
    Champion,
    Comparison,
    Examples,
    IncomparableChampion,
    Metrics,
    Model,
    Rows,
)
from components.data.row_parsing import InvalidRow, Row, RowFormat
from components.data.sequence_examples import encode_row
from components.data.sources.formats import chunks_of
from components.data.sources.source import Record, Source
from components.errors import BrokenModelError, NotFoundError
from components.evaluation import metrics_files
from components.export.saved_model import score_saved_model
from components.label_tasks import TASKS
from components.training.datasets import read_ids, read_labels, read_raw_records

_BATCH_SIZE = 256
"""Rows at once, as for the candidate: it bounds the memory."""


class _NotComparableError(Exception):
    """Why; ``measure_champion`` returns it as a value."""


def measure_champion(
    champion: Champion,
    model: Model,
    rows: Rows,
    examples: Examples,
    metrics: Metrics,
    *,
    directory: Path,
) -> Comparison:
    """Scores the serving model on the raw test rows and pairs it with the candidate.

    Args:
        champion: the version that serves, with its SavedModel.
        model: the candidate.
        rows: the files that the examples were made of.
        examples: the examples whose test split the candidate was scored on.
        metrics: what the candidate reached.
        directory: where predictions and metrics of the champion are written.

    Returns:
        The comparison, or why there is none: the champion cannot read a test row, or its SavedModel
        does not work.

    Raises:
        DataError: a file of the rows has changed since the run began.
        StorageError: the disk is full or the directory cannot be written.
    """
    same_model = champion.model_digest == model.digest
    rolled_back = model.digest in champion.rolled_back_digests
    try:
        table = _predictions(champion, rows, examples)
    except (_NotComparableError, BrokenModelError) as error:
        return IncomparableChampion(champion.version, str(error), same_model, rolled_back)
    compared = metrics_files.compare(metrics, table, champion.version, same_model, directory)
    return dataclasses.replace(compared, rolled_back=rolled_back)


def _predictions(champion: Champion, rows: Rows, examples: Examples) -> PredictionTable:
    saved_model = Path(champion.path)
    try:
        theirs = load_schema(schema_directory(saved_model))
    except NotFoundError as error:
        raise _NotComparableError(
            f"its SavedModel at {saved_model} does not say what a row holds, as {SCHEMA} in it is "
            "missing or is not one that this release reads"
        ) from error
    ours = load_schema(examples.path)
    if theirs.label != ours.label:
        raise _NotComparableError(
            f"it gives {TASKS[theirs.label].says}, and the test rows have {TASKS[ours.label].says}"
        )
    test = _TestRows(rows, examples, ours, theirs)
    found = score_saved_model(saved_model, test.records(), _BATCH_SIZE)
    if test.refused:
        raise _NotComparableError(
            f"it cannot read {test.refused:,} of the {len(test.labels):,} test rows, such as "
            f"{test.first_refused}"
        )
    # The champion's own answers, with the threshold that it may have.
    return TABLES[ours.label].of(list(test.labels), list(test.labels.values()), *found)


class _TestRows:
    """The test rows as the champion reads them, one after the other.

    After ``records`` has ended, ``labels`` holds the labels of each row by its id, in their order.
    """

    def __init__(self, rows: Rows, examples: Examples, ours: Schema, theirs: Schema) -> None:
        self._rows, self._examples, self._theirs = rows, examples, theirs
        self._our_form = RowFormat.of(
            ours.features, ours.max_row_steps, ours.label, truncate=ours.truncate
        )
        # A limit of the champion protects a server and says nothing about rows, unless it cuts
        # them; where this run cuts them, its own says nothing about those of the champion either.
        limit = sys.maxsize if ours.truncate else ours.max_row_steps
        self._their_form = RowFormat.of(
            theirs.features,
            theirs.max_row_steps if theirs.truncate else limit,
            ours.label,
            truncate=theirs.truncate,
        )
        self.labels: dict[str, tuple[str, ...]] = {}
        self.refused = 0
        self.first_refused = ""

    def records(self) -> Iterator[bytes]:
        """Raw examples for the champion, as long as no row was refused."""
        ids, labels = read_ids(self._examples, "test"), read_labels(self._examples, "test")
        known = dict(zip(ids, labels, strict=True))
        if self._are_read_alike:
            self.labels = known
            yield from read_raw_records(self._examples)
            return
        for source, record in self._found(known.keys()):
            row = record.parse(self._our_form)
            if isinstance(row, InvalidRow) or row.labels is None:
                continue  # of the same id as a test row, and left out by the survey
            # Not those of the row: rare ones may be another class in the examples.
            self.labels[row.id] = known[row.id]
            answerable = record.parse(self._their_form)
            if isinstance(answerable, Row) and not self.refused:
                yield encode_row(answerable, self._theirs.features)
            elif isinstance(answerable, InvalidRow):
                self._refuse(source.location(record.number), answerable.reason)

    @property
    def _are_read_alike(self) -> bool:
        """Whether the raw examples hold what the champion would read, so that they may stand in.

        One function made their values of the same rows by these very expectations; what they hold
        beside that, the champion's graph passes over.
        """
        ours, theirs = self._our_form, self._their_form
        pairs = ((theirs.sequence, ours.sequence), (theirs.context, ours.context))
        if ours.truncate != theirs.truncate or (
            ours.truncate and ours.max_steps != theirs.max_steps
        ):
            return False
        return all(
            own.get(name) == expected
            for their_own, own in pairs
            for name, expected in their_own.items()
        )

    def _found(self, ids: Collection[str]) -> Iterator[tuple[Source, Record]]:
        """What the files hold under these ids."""
        for chunk in chunks_of(self._rows):
            if chunk.split not in (None, "test"):
                continue
            for record in chunk.records():
                # The id alone: to check all rows of a file takes many times as long.
                if isinstance(record.values, dict) and str(record.values.get("id")) in ids:
                    yield chunk.source, record

    def _refuse(self, location: str, reason: str) -> None:
        self.first_refused = self.first_refused or f"{location} ({reason})"
        self.refused += 1
