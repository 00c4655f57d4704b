"""The valid rows of a chunk in a file: a row is parsed once, and all passes read it from here.

Beside the file of a chunk is one that says which split each of its rows is in, and of which classes
it is. Both are Arrow files, which are read without copying: a pass over them costs a tenth of
parsing the rows again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.artifacts.values import SPLITS, Split
from components.data.arrow import ID, LABELS, SPLIT, text_column, to_record_batch
from components.data.row_parsing import Row
from components.features.config import FeaturesConfig

BATCH_ROWS = 2000
BATCH_STEPS = 50_000
"""A record batch ends at so many rows or steps, which bounds its memory.

Not settings: TFT adds up the moments batch by batch, so another size would give other last digits.
"""
NO_SPLIT = -1
"""The place of the split of a row that is left out; others are places in ``SPLITS``."""
_NUMBER = "_number"


class PlacedBatch(NamedTuple):
    """A batch of rows, and where they belong."""

    rows: pa.RecordBatch
    splits: NDArray[np.int8]
    """[rows]: places in ``SPLITS``, or ``NO_SPLIT``."""
    labels: pa.LargeListArray
    """The classes of each row."""

    def of(self, split: Split) -> NDArray[np.bool_]:
        """bool [rows]: which rows are in the split."""
        chosen: NDArray[np.bool_] = self.splits == SPLITS.index(split)
        return chosen


class Written(NamedTuple):
    """What a file of rows holds."""

    rows: int
    size_bytes: int
    """Of the values."""


class Key(NamedTuple):
    """A row as messages name it."""

    id: str
    number: int
    """In its source."""


@dataclass(frozen=True)
class TypedRows:
    """The files of one chunk, of which there are none until they are written.

    Raises:
        OSError: the disk is full.
    """

    directory: str
    number: int
    """Of the chunk."""

    @property
    def _path(self) -> Path:
        return Path(self.directory) / f"{self.number:06}.rows.arrow"

    @property
    def sample_path(self) -> Path:
        """Where a sample of the rows is, if there is one."""
        return self._path.with_suffix(".sample")

    def write(self, rows: Iterable[tuple[int, Row]], features: FeaturesConfig) -> Written:
        """Writes the rows, each with its number in the source. Of no rows there is no file."""
        return _write(self._path, _batches(rows, features))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in order, for ``components.data.arrow``."""
        yield from _read(self._path)

    def write_places(
        self, places: Iterable[tuple[NDArray[np.int8], Sequence[Sequence[str]]]]
    ) -> None:
        """Writes, for each batch, the place of the split and the classes of each row."""
        _write(
            self._path.with_suffix(".places"),
            (
                pa.RecordBatch.from_pydict({SPLIT: splits, LABELS: text_column(labels)})
                for splits, labels in places
            ),
        )

    def placed_batches(self) -> Iterator[PlacedBatch]:
        """The rows with the places that were written, in order."""
        places = _read(self._path.with_suffix(".places"))
        for rows, each in zip(self.batches(), places, strict=True):
            yield PlacedBatch(rows, each.column(SPLIT).to_numpy(), each.column(LABELS))

    def keys(self, wanted: NDArray[np.integer]) -> list[Key]:
        """The ids and numbers of the rows at these places in the chunk."""
        batches = list(self.batches())
        ids = pa.chunked_array([batch.column(ID) for batch in batches]).take(pa.array(wanted))
        numbers = pa.chunked_array([batch.column(_NUMBER) for batch in batches])
        found = zip(ids.to_pylist(), numbers.take(pa.array(wanted)).to_pylist(), strict=True)
        return [Key(row_id, number) for row_id, number in found]


def _batches(rows: Iterable[tuple[int, Row]], features: FeaturesConfig) -> Iterator[pa.RecordBatch]:
    batch: list[Row] = []
    numbers: list[int] = []
    steps = 0

    def made() -> pa.RecordBatch:
        columns = to_record_batch(batch, features)
        return columns.append_column(_NUMBER, pa.array(numbers, pa.int64()))

    for number, row in rows:
        batch.append(row)
        numbers.append(number)
        steps += row.steps
        if len(batch) == BATCH_ROWS or steps >= BATCH_STEPS:
            yield made()
            batch, numbers, steps = [], [], 0
    if batch:
        yield made()


def _write(path: Path, batches: Iterable[pa.RecordBatch]) -> Written:
    rows = size_bytes = 0
    with contextlib.ExitStack() as stack:
        writer = None
        for batch in batches:
            if writer is None:
                writer = stack.enter_context(pa.ipc.new_file(str(path), batch.schema))
            writer.write_batch(batch)
            rows += batch.num_rows
            size_bytes += batch.nbytes
    return Written(rows, size_bytes)


def _read(path: Path) -> Iterator[pa.RecordBatch]:
    if not path.exists():
        return
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)
