"""Checkpoints by variable name, in the files of TensorFlow 2.15's estimator.

``model.ckpt-N.index`` and ``model.ckpt-N.data-00000-of-00001`` hold the variables, ``checkpoint``
names the newest and all that are kept. The position in the input, which 2.15 does not save, is in
``model.ckpt-N.input.*`` and is deleted with its checkpoint. A checkpoint is valid only once
``checkpoint`` names it, and that file is replaced atomically: a kill at any moment leaves the last
good one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import tensorflow as tf
from google.protobuf import text_format
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

from rnn_core.errors import ArchitectureError, CheckpointError
from rnn_core.storage import files
from rnn_core.storage.files import (
    FilePath,
    first_line,
    flush,
    join,
    name_of,
    names_in,
    parent_of,
    read_bytes,
    read_text,
    remove,
    seconds_of,
    storage_errors,
    with_prefix,
    write_text,
)
from rnn_core.types import Array

logger = logging.getLogger("rnn_core")

_STATE: Final = "checkpoint"
"""The file that names the checkpoints."""
_NAME: Final = re.compile(r"model\.ckpt-\d+")
AVERAGE: Final = "/ExponentialMovingAverage"
"""Ends the name of the moving average of a variable."""
_SHOWN: Final = 5
"""An error lists so many differences between a model and a checkpoint."""


def average_of(name: str) -> str:
    """The name of the moving average of a variable, as ``tf.train`` gave it."""
    return f"{name}{AVERAGE}"


@dataclasses.dataclass
class Keeper:
    """Saves checkpoints into one directory and deletes the oldest.

    Those that ``keep_every_hours`` saved for good are on disk and not in the file ``checkpoint``;
    when each was made is the time of its file.
    """

    directory: str
    keep_max: int | None
    """None and 0 keep all; ``checkpoint`` then names the newest, and those it named before."""
    keep_every_hours: float
    _kept: list[str] = dataclasses.field(default_factory=list)
    # Wall clock, not monotonic: it is compared with the times of files, which outlive the process.
    _preserved: float = dataclasses.field(default_factory=time.time)

    def __post_init__(self) -> None:
        named = [name_of(path) for path in _state(self.directory).every]
        # A person may have deleted files that `checkpoint` still names.
        self._kept = [name for name in named if exists(self.path(name))]
        # The period of keep_every_hours goes on from the newest checkpoint that an earlier run kept
        # for good.
        unnamed = [name for name in names_of_all(self.directory) if name not in named]
        times = [seconds_of(f"{self.path(name)}.index") for name in unnamed]
        self._preserved = max(times, default=self._preserved)

    def path(self, name: str) -> str:
        """The prefix of the checkpoint ``name``."""
        return join(self.directory, name)

    def save(self, values: Mapping[str, tf.Tensor], step: int) -> str:
        """Writes a checkpoint and makes it the newest; gives its prefix.

        Raises:
            StorageError: the directory cannot be written.
        """
        name = f"model.ckpt-{step}"
        with storage_errors(self.directory):
            write(values, self.path(name))
            # A step that is saved again, after a return to an older checkpoint, is the newest once
            # more.
            kept = [other for other in self._kept if other != name] + [name]
            dropped = self._drop(kept)
            # After the variables and before any deletion: at each moment `checkpoint` names files
            # that are whole. A failure up to here leaves the list in memory as it is on disk.
            write_state(self.directory, kept)
        # As the Saver of 2.15: without a limit no list of names grows.
        self._kept = kept if self.keep_max else self._kept
        for old in dropped:
            try:
                delete(self.path(old))
            except OSError as error:
                # No error: the new checkpoint is safe by now.
                path = self.path(old)
                logger.warning("The old checkpoint %s could not be deleted: %s", path, error)
        return self.path(name)

    def _drop(self, kept: list[str]) -> list[str]:
        """Removes the oldest from ``kept``; returns those to delete, without one every
        ``keep_every_hours``, which stays on disk for good.
        """
        dropped = []
        while self.keep_max and len(kept) > self.keep_max:
            name = kept.pop(0)
            made_at = seconds_of(f"{self.path(name)}.index")
            if made_at > self._preserved + self.keep_every_hours * 3600:
                self._preserved = made_at
            else:
                dropped.append(name)
        return dropped


def write(values: Mapping[str, tf.Tensor], prefix: str) -> None:
    """Writes ``values`` by name to ``prefix``, which exists only once it is complete."""
    names = sorted(values)
    # With the process id: one that was given up and still writes the same step has files of its
    # own.
    temporary = f"{prefix}.tmp-{os.getpid()}"
    try:
        tf.raw_ops.SaveV2(
            prefix=temporary,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.convert_to_tensor(values[name]) for name in names],
        )
        # A merge of one: it moves the data first and writes the index, which `exists` asks for,
        # last.
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=[temporary], destination_prefix=prefix, delete_old_dirs=False
        )
        # Content before names: after a loss of power no index may stand without the data behind it.
        for path in with_prefix(prefix):
            flush(path)
        flush(parent_of(prefix))
    finally:
        for path in with_prefix(temporary):
            remove(path)


def write_state(directory: str, kept: Sequence[str]) -> None:
    """Replaces the file ``checkpoint``: the names of all checkpoints, the newest last.

    The text form of TensorFlow's ``CheckpointState`` message, with paths relative to ``directory``.
    """
    lines = [f'model_checkpoint_path: "{kept[-1]}"']
    lines += [f'all_model_checkpoint_paths: "{name}"' for name in kept]
    write_text(join(directory, _STATE), "\n".join(lines) + "\n")


def delete(prefix: str) -> None:
    """Removes all files of a checkpoint, the index first, so that a partly deleted one is not used.

    Among them may be a directory, where a worker was killed while it wrote its position.
    """
    for path in (f"{prefix}.index", *with_prefix(prefix)):
        remove(path)


def exists(prefix: str) -> bool:
    """Whether there is a checkpoint of that prefix."""
    return files.exists(f"{prefix}.index")


def names_of_all(directory: FilePath) -> list[str]:
    """The names of the checkpoints in a directory, also of those that ``checkpoint`` leaves out."""
    names = [name.removesuffix(".index") for name in names_in(directory) if name.endswith(".index")]
    return [name for name in names if _NAME.fullmatch(name)]


class _State(NamedTuple):
    """What the file ``checkpoint`` of a directory says, as prefixes."""

    newest: str | None
    every: tuple[str, ...]
    """The newest last."""


def _state(directory: str) -> _State:
    # Not tf.train.latest_checkpoint, which reads the directory's own name as a pattern.
    try:
        return _parsed(directory, read_text(join(directory, _STATE)))
    except OSError:
        return _State(None, ())


# By its text, not by its time: a file that is replaced within one tick of the clock is noticed, and
# the many calls of `latest` between two checkpoints parse nothing.
@functools.lru_cache(maxsize=64)
def _parsed(directory: str, text: str) -> _State:
    try:
        state = text_format.Parse(text, CheckpointState())
    except text_format.ParseError as error:
        logger.warning("%s is no list of checkpoints: %s", join(directory, _STATE), error)
        return _State(None, ())
    every = tuple(join(directory, path) for path in state.all_model_checkpoint_paths)
    newest = state.model_checkpoint_path
    return _State(join(directory, newest) if newest else None, every)


def latest(directory: str) -> str | None:
    """Prefix of the newest checkpoint, None if there is none."""
    prefix = _state(directory).newest
    return prefix if prefix is not None and exists(prefix) else None


def identity(prefix: str) -> int:
    """A number that changes when a checkpoint is replaced by one with other values.

    The index holds a checksum of each variable.
    """
    return zlib.crc32(read_bytes(f"{prefix}.index"))


def newest_intact(directory: str) -> str | None:
    """Prefix of the newest checkpoint that can be read, None if there is none at all.

    A warning names each damaged one that is skipped.

    Raises:
        CheckpointError: there are some, and all are damaged.
    """
    newest, every = _state(directory)
    if newest is None:
        return None
    older = [path for path in every if exists(path)]
    damaged: list[CheckpointError] = []
    # From the newest to the oldest, each once.
    for prefix in dict.fromkeys([newest, *reversed(older)]):
        try:
            # All values, not the index alone: TensorFlow compares a checksum when it reads the
            # value.
            read(prefix)
        except CheckpointError as error:
            damaged.append(error)
        else:
            for each in damaged:
                logger.warning("Going back to %s: %s", prefix, each)
            return prefix
    # That of the newest one, which the user expects to go on from.
    raise damaged[0]


def read(prefix: str, names: Sequence[str] | None = None) -> dict[str, Array]:
    """Variables of a checkpoint by name, all of them unless ``names`` are given.

    Raises:
        CheckpointError: it does not exist, or is not whole, or has no variable of a name.
    """
    with _readable(prefix) as reader:
        wanted = reader.get_variable_to_shape_map() if names is None else names
        return {name: reader.get_tensor(name) for name in wanted}


def stored_names(prefix: str) -> set[str]:
    """The names of the variables of a checkpoint. Raises CheckpointError."""
    with _readable(prefix) as reader:
        return set(reader.get_variable_to_shape_map())


@contextlib.contextmanager
def _readable(prefix: str) -> Iterator[Any]:
    """A reader of a checkpoint, whose errors are CheckpointError."""
    try:
        # Not load_checkpoint, which takes a prefix for a directory on some file systems.
        yield tf.compat.v1.train.NewCheckpointReader(prefix)
    # The reader's Python binding raises the last three for some of TensorFlow's status codes.
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        state = join(parent_of(prefix), _STATE)
        raise CheckpointError(
            f"Checkpoint {prefix} cannot be read: {first_line(error)}. If it is truncated, delete "
            f"its files and name an older one as model_checkpoint_path in {state}."
        ) from None


def read_step(prefix: str) -> int:
    """Reads the global step that a checkpoint was saved at. Raises CheckpointError."""
    return int(read(prefix, ["global_step"])["global_step"])


def restore(variables: Mapping[str, tf.Variable], prefix: str) -> None:
    """Gives each variable its value from the checkpoint; others in it are left alone.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        ArchitectureError: a variable is missing or has another shape.
    """
    values = read(prefix)
    # All are compared before the first is assigned: an error leaves no model with values of two.
    check(variables, values, prefix)
    for name, variable in variables.items():
        variable.assign(values[name])


def check(variables: Mapping[str, tf.Variable], values: Mapping[str, Array], prefix: str) -> None:
    """Checks that ``values``, those of the checkpoint ``prefix``, are for ``variables``.

    Raises:
        ArchitectureError: a variable is missing or has another shape.
    """
    differences = [
        text
        for name, variable in sorted(variables.items())
        if (text := _difference(name, variable, values.get(name)))
    ]
    if differences:
        more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise ArchitectureError(
            f"Checkpoint {prefix} is of another model: {'; '.join(differences[:_SHOWN])}{more}. "
            "Use the arguments that it was trained with, or another model_dir."
        )


def _difference(name: str, variable: tf.Variable, value: Array | None) -> str | None:
    if value is None:
        return f"{name} {list(variable.shape)} is not in it"
    if tuple(variable.shape) != value.shape:
        return f"{name} is {list(value.shape)} there and {list(variable.shape)} here"
    return None


def step_from_name(prefix: str) -> int:
    """The global step in the prefix of a checkpoint, without reading it."""
    return int(prefix.rpartition("-")[2])
