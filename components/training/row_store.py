"""The rows of a split on disk, so that any of them are read without holding the others.

A shuffled batch needs records from anywhere, and a TFRecord file has no index. What there is for
that was weighed, per row of 50 steps with 32 numbers, of which a batch out of memory costs 3 us:

    offsets of the TFRecords    12 us to parse a record and 2 to read it, in every epoch: up to half
                                of the rate of a small network. Readers with such an index (DALI's,
                                tfr-reader) and ArrayRecord give the same bytes, to be parsed alike
    a shuffle buffer, blocks    no order that is that of the rows in memory, and no resumption that
                                costs the same wherever a training was cut
    Arrow, memory-mapped        ``take`` of lists from many chunks puts them together first; a
                                file that is cut off while it is mapped ends the process

So the records are parsed once, and lie as the model reads them, beside the shards they came from:

    rows-train/values.bin    row by row the numbers of all features and the label, little-endian
    rows-train/index.bin     of each row where it begins, and the steps of each ragged feature
    rows-train/layout.json   what stands in the two, and the shards as they were

One ``preadv`` scatters a row to its places in the batch: what is read is copied no more. The values
are read and not mapped, so that they count for no memory of the process; the index is mapped, 8
bytes a row and 4 for each ragged feature, which the system takes back when it needs them.

Shapes: N rows of the splits, B rows of a batch, R features (and labels) that are ragged.
"""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.artifacts.storage import building, is_complete, locked_file, write_atomically
from components.errors import DataError

_VALUES, _INDEX, _LAYOUT = "values.bin", "index.bin", "layout.json"
_FORMAT: Final = 1
"""Another number makes all stores anew."""
_LABEL: Final = np.dtype("<i4")
"""A label's place among the labels of the schema."""
_ALIGNMENT: Final = 64
"""Bytes: what TensorFlow aligns its tensors to."""
_PIECES: Final = 1024
"""``IOV_MAX`` of Linux: to so many places a call can scatter what it reads."""


class _Part(NamedTuple):
    """What a row has of one feature, or its labels."""

    dtype: str
    """Of numpy, with the order of the bytes."""
    shape: tuple[int, ...]
    """Of a step, or of the row where the feature is not ragged."""
    is_ragged: bool

    @property
    def step_bytes(self) -> int:
        """Bytes of a step."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))


class _File(NamedTuple):
    """The store of one split, open."""

    handle: int
    path: Path
    state: tuple[int, int]
    """Size and time of the last change, as they must stay."""
    rows: NDArray[Any]
    """The index: where each begins, and its steps."""


class RowStore:
    """The rows of some splits, one split behind the other.

    Args:
        directories: of the stores, as ``make_store`` left them.
        element_spec: of batches of parsed examples, (features, labels).
        labels: of the schema.
    """

    def __init__(
        self, directories: Sequence[Path], element_spec: Any, labels: Sequence[str]
    ) -> None:
        self._spec, self._labels = element_spec, list(labels)
        self._parts = _parts(element_spec)
        self._ragged = [place for place, part in enumerate(self._parts) if part.is_ragged]
        self._files = [_open(directory, len(self._ragged)) for directory in directories]
        for file in self._files:
            weakref.finalize(self, os.close, file.handle)
        # Of each split, the first row of the next one.
        self._ends = np.cumsum([len(file.rows) for file in self._files])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def take(self, rows: tf.Tensor) -> tuple[dict[str, Any], Any]:
        """(features, labels) of some rows, int64 [B], as parsed from the examples."""
        types = [
            kind
            for part in self._parts
            for kind in ([tf.int64] if part.is_ragged else []) + [np.dtype(part.dtype)]
        ]
        # Not stateful: the same rows are the same values, so that an iterator's state is exact.
        found = iter(tf.numpy_function(self.read, [rows], types, stateful=False))
        parsed = [_tensor(part, found) for part in self._parts]
        features = dict(zip(sorted(self._spec[0]), parsed[:-1], strict=True))
        return features, _texts(parsed[-1], self._labels)

    def read(self, rows: NDArray[np.int64]) -> list[NDArray[Any]]:
        """The arrays of each part of some rows, [B]: its row splits if it is ragged, its values.

        Raises:
            DataError: a file has changed since it was opened.
        """
        files, starts, steps = self._look_up(rows)
        counts = np.ones((len(rows), len(self._parts)), np.int64)
        counts[:, self._ragged] = steps
        ends = np.zeros((len(rows) + 1, len(self._parts)), np.int64)
        np.cumsum(counts, axis=0, out=ends[1:])
        arrays = [
            _aligned(total, part)
            for part, total in zip(self._parts, ends[-1].tolist(), strict=True)
        ]
        # An array without a value cannot be cast, and is not read into.
        views: list[memoryview] = [
            array.reshape(-1).data.cast("B") if array.size else memoryview(bytearray())
            for array in arrays
        ]
        limits = ends * [part.step_bytes for part in self._parts]
        sizes = np.diff(limits.sum(axis=1)).tolist()
        handles = [self._files[file].handle for file in files]
        bounds = limits.tolist()
        scatter = os.preadv if len(views) <= _PIECES else _preadv
        missing = []
        # The loop is most of the time of a batch: nothing is called in it that need not be.
        for row, (handle, start, size) in enumerate(zip(handles, starts, sizes, strict=True)):
            pieces = [
                view[begin:end]
                for view, begin, end in zip(views, bounds[row], bounds[row + 1], strict=False)
            ]
            try:
                done = scatter(handle, pieces, start, os.RWF_NOWAIT)
            except OSError:
                # Not in memory, or a file system that cannot tell.
                done = 0
            if done != size:
                missing.append((row, pieces))
        # What is not in memory is asked for at once, so that a disk has many requests to work on.
        for row, _ in missing:
            os.posix_fadvise(handles[row], starts[row], sizes[row], os.POSIX_FADV_WILLNEED)
        for row, pieces in missing:
            if scatter(handles[row], pieces, starts[row], 0) != sizes[row]:
                raise _changed(self._files[files[row]])
        for number in set(files):
            _check_state(self._files[number])
        result = []
        for place, (part, array) in enumerate(zip(self._parts, arrays, strict=True)):
            result += [np.ascontiguousarray(ends[:, place])] if part.is_ragged else []
            result.append(array)
        return result

    def _look_up(self, rows: NDArray[np.int64]) -> tuple[list[int], list[int], NDArray[np.int64]]:
        """Of each row its file, where it begins, and its steps, [B, R]."""
        files = np.searchsorted(self._ends, rows, side="right")
        starts = np.empty(len(rows), np.int64)
        steps = np.empty((len(rows), len(self._ragged)), np.int64)
        for number, file in enumerate(self._files):
            chosen = files == number
            first = self._ends[number] - len(file.rows)
            entries = file.rows[rows[chosen] - first]
            starts[chosen], steps[chosen] = entries["start"], entries["steps"]
        return files.tolist(), starts.tolist(), steps


def slice_rows(tensor: Any, first: tf.Tensor, last: tf.Tensor) -> Any:
    """The rows from ``first`` to ``last``, without the last one, of a dense or a ragged tensor."""
    if not isinstance(tensor, tf.RaggedTensor):
        return tensor[first:last]
    splits = tensor.row_splits[first : last + 1]
    # The splits come from the store's index: checking them would cost at every step.
    return tf.RaggedTensor.from_row_splits(
        tensor.values[splits[0] : splits[-1]], splits - splits[0], validate=False
    )


def make_store(
    directory: Path,
    batches: tf.data.Dataset,
    labels: Sequence[str],
    shards: Sequence[Path],
) -> None:
    """Parses a split and writes its store, unless it is there already.

    Args:
        directory: of the store.
        batches: (features, labels) of the split in the order of its files.
        labels: of the schema.
        shards: the files that the split is in; a store of other ones is made anew.

    Raises:
        DataError: a label is not of the schema.
        StorageError: the disk is full or the directory cannot be written.
    """
    parts = _parts(batches.element_spec)
    states = [path.stat() for path in shards]
    layout = {
        "format": _FORMAT,
        "parts": [[part.dtype, list(part.shape), part.is_ragged] for part in parts],
        "labels": list(labels),
        "shards": [
            [path.name, state.st_size, state.st_mtime_ns]
            for path, state in zip(shards, states, strict=True)
        ],
    }
    # Others may want the same store: the second one waits, and finds it.
    with locked_file(directory.with_name(f"{directory.name}.lock")):
        if is_complete(directory) and _layout(directory) == layout:
            return
        with building(directory) as partial:
            _write(partial, batches, labels)
            write_atomically(partial / _LAYOUT, json.dumps(layout))


def _write(partial: Path, batches: tf.data.Dataset, labels: Sequence[str]) -> None:
    place = {label.encode(): number for number, label in enumerate(labels)}
    parts = _parts(batches.element_spec)
    index_type = _index_type(sum(part.is_ragged for part in parts))
    start = 0
    with (partial / _VALUES).open("wb") as values, (partial / _INDEX).open("wb") as index:
        for features, texts in batches:
            tensors = [features[name] for name in sorted(features)]
            pairs = [_values_and_splits(tensor) for tensor in tensors]
            names, name_splits = _values_and_splits(texts)
            pairs.append((_places(names, place), name_splits))
            count = len(pairs[0][1]) - 1
            ends = np.stack([splits for _, splits in pairs], axis=1)
            limits = ends * [part.step_bytes for part in parts]
            views = [memoryview(array.tobytes()) for array, _ in pairs]
            values.writelines(_row_pieces(views, limits.tolist()))
            entries = np.empty(count, index_type)
            row_ends = limits.sum(axis=1)
            entries["start"] = start + row_ends[:-1]
            ragged = [number for number, part in enumerate(parts) if part.is_ragged]
            entries["steps"] = np.diff(ends[:, ragged], axis=0)
            index.write(entries.tobytes())
            start += int(row_ends[-1])
        for file in (values, index):
            file.flush()
            os.fsync(file.fileno())


def _row_pieces(views: Sequence[memoryview], limits: list[list[int]]) -> Iterator[memoryview]:
    """The bytes of each part of each row."""
    for row in range(len(limits) - 1):
        for view, begin, end in zip(views, limits[row], limits[row + 1], strict=True):
            yield view[begin:end]


def _values_and_splits(tensor: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Of a batch; row k has the values from the k-th split to the next."""
    if isinstance(tensor, tf.RaggedTensor):
        return tensor.flat_values.numpy(), tensor.row_splits.numpy()
    array = tensor.numpy()
    return array, np.arange(len(array) + 1)


def _places(texts: NDArray[Any], place: dict[bytes, int]) -> NDArray[Any]:
    try:
        return np.array([place[text] for text in texts.tolist()], _LABEL)
    except KeyError as error:
        raise DataError(
            f"expected labels that schema.json names, got {error.args[0].decode()!r}: the examples "
            "are of two runs. Delete their directory and run again."
        ) from None


def _parts(element_spec: Any) -> list[_Part]:
    """Of the features by name, and of the labels behind them."""
    features, labels = element_spec
    found = [_part(features[name]) for name in sorted(features)]
    return [*found, _part(labels)._replace(dtype=_LABEL.str)]


def _part(spec: Any) -> _Part:
    is_ragged = isinstance(spec, tf.RaggedTensorSpec)
    shape = spec.shape.as_list()[2 if is_ragged else 1 :]
    dtype = np.dtype(spec.dtype.as_numpy_dtype)
    return _Part(dtype.newbyteorder("<").str, tuple(shape), is_ragged)


def _tensor(part: _Part, found: Iterator[tf.Tensor]) -> Any:
    splits = next(found) if part.is_ragged else None
    values = next(found)
    values.set_shape([None, *part.shape])
    if splits is None:
        return values
    splits.set_shape([None])
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def _texts(places: Any, labels: list[str]) -> Any:
    table = tf.constant(labels)
    if isinstance(places, tf.RaggedTensor):
        return places.with_flat_values(tf.gather(table, places.flat_values))
    return tf.gather(table, places)


def _index_type(ragged: int) -> np.dtype[Any]:
    return np.dtype([("start", "<i8"), ("steps", "<u4", (ragged,))])


def _layout(directory: Path) -> Any:
    return json.loads((directory / _LAYOUT).read_bytes())


def _open(directory: Path, ragged: int) -> _File:
    path = directory / _VALUES
    index = np.memmap(directory / _INDEX, _index_type(ragged), mode="r")
    handle = os.open(path, os.O_RDONLY)
    # Rows are read from anywhere: what follows one is not wanted next.
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)
    return _File(handle, path, _state(handle), index)


def _aligned(count: int, part: _Part) -> NDArray[Any]:
    """An empty array that TensorFlow takes as it is: it copies one that begins anywhere."""
    size = count * part.step_bytes
    room = np.empty(size + _ALIGNMENT, np.uint8)
    first = -room.ctypes.data % _ALIGNMENT
    return room[first : first + size].view(part.dtype).reshape(count, *part.shape)


def _state(handle: int) -> tuple[int, int]:
    status = os.fstat(handle)
    return status.st_size, status.st_mtime_ns


def _check_state(file: _File) -> None:
    if _state(file.handle) != file.state:
        raise _changed(file)


def _preadv(handle: int, pieces: Sequence[memoryview], start: int, flags: int) -> int:
    """``os.preadv`` into more places than the system takes at once."""
    done = 0
    for first in range(0, len(pieces), _PIECES):
        done += os.preadv(handle, pieces[first : first + _PIECES], start + done, flags)
    return done


def _changed(file: _File) -> DataError:
    return DataError(
        f"{file.path} was changed or cut off while a training read it. Nobody may write there: "
        f"delete {file.path.parent} and run again; it is made anew, and training goes on from its "
        "last checkpoint."
    )
