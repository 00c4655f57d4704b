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
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from rnn_core.errors import ArchitectureError, CheckpointError
from rnn_core.storage.files import (
    first_line,
    flush,
    remove,
    storage_errors,
    with_prefix,
    write_text,
)
from rnn_core.types import Array

logger = logging.getLogger("rnn_core")

_SHOWN: Final = 5
"""An error lists so many differences between a model and a checkpoint."""


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
    _preserved: float = dataclasses.field(default_factory=time.time)

    def __post_init__(self) -> None:
        state = tf.train.get_checkpoint_state(self.directory)
        named = [] if state is None else [Path(p).name for p in state.all_model_checkpoint_paths]
        self._kept = [name for name in named if exists(self.path(name))]
        indexes = Path(self.directory).glob("model.ckpt-*.index")
        unnamed = [index.stat().st_mtime for index in indexes if index.stem not in named]
        self._preserved = max(unnamed, default=self._preserved)

    def path(self, name: str) -> str:
        """The prefix of the checkpoint ``name``."""
        return str(Path(self.directory) / name)

    def save(self, values: Mapping[str, tf.Tensor], step: int) -> str:
        """Writes a checkpoint and makes it the newest; gives its prefix.

        Raises:
            StorageError: the directory cannot be written.
        """
        name = f"model.ckpt-{step}"
        with storage_errors(self.directory):
            write(values, self.path(name))
            kept = [other for other in self._kept if other != name] + [name]
            dropped = self._drop(kept)
            write_state(self.directory, kept)
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
            made_at = Path(f"{self.path(name)}.index").stat().st_mtime
            if made_at > self._preserved + self.keep_every_hours * 3600:
                self._preserved = made_at
            else:
                dropped.append(name)
        return dropped


def write(values: Mapping[str, tf.Tensor], prefix: str) -> None:
    """Writes ``values`` by name to ``prefix``, which exists only once it is complete."""
    names = sorted(values)
    temporary = f"{prefix}.tmp-{os.getpid()}"
    try:
        tf.raw_ops.SaveV2(
            prefix=temporary,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.convert_to_tensor(values[name]) for name in names],
        )
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=[temporary], destination_prefix=prefix, delete_old_dirs=False
        )
        for path in with_prefix(prefix):
            flush(path)
        flush(Path(prefix).parent)
    finally:
        for path in with_prefix(temporary):
            path.unlink(missing_ok=True)


def write_state(directory: str, kept: Sequence[str]) -> None:
    """Replaces the file ``checkpoint``: the names of all checkpoints, the newest last.

    The text form of TensorFlow's ``CheckpointState`` message, with paths relative to ``directory``.
    """
    lines = [f'model_checkpoint_path: "{kept[-1]}"']
    lines += [f'all_model_checkpoint_paths: "{name}"' for name in kept]
    write_text(Path(directory) / "checkpoint", "\n".join(lines) + "\n")


def delete(prefix: str) -> None:
    """Removes all files of a checkpoint, the index first, so that a partly deleted one is not used.

    Among them may be a directory, where a worker was killed while it wrote its position.
    """
    for path in (Path(f"{prefix}.index"), *with_prefix(prefix)):
        remove(path)


def exists(prefix: str) -> bool:
    """Whether there is a checkpoint of that prefix."""
    return Path(f"{prefix}.index").exists()


def latest(directory: str) -> str | None:
    """Prefix of the newest checkpoint, None if there is none."""
    with contextlib.suppress(OSError):
        file = (Path(directory) / "checkpoint").stat()
        prefix = _named(directory, file.st_ino, file.st_mtime_ns, file.st_size)
        if prefix is not None and exists(prefix):
            return str(prefix)
    path: str | None = tf.train.latest_checkpoint(directory)
    return path


@functools.lru_cache(maxsize=64)
def _named(directory: str, *_: int) -> str | None:
    """The newest checkpoint that the file ``checkpoint`` names, cached for each version of it."""
    state = tf.train.get_checkpoint_state(directory)
    return None if state is None else str(state.model_checkpoint_path)


def newest_intact(directory: str) -> str | None:
    """Prefix of the newest checkpoint that can be read, None if there is none at all.

    A warning names each damaged one that is skipped.

    Raises:
        CheckpointError: there are some, and all are damaged.
    """
    state = tf.train.get_checkpoint_state(directory)
    if state is None:
        return None
    older = [path for path in state.all_model_checkpoint_paths if exists(path)]
    damaged: list[CheckpointError] = []
    for prefix in dict.fromkeys([state.model_checkpoint_path, *reversed(older)]):
        try:
            read(prefix)
        except CheckpointError as error:
            damaged.append(error)
        else:
            for each in damaged:
                logger.warning("Going back to %s: %s", prefix, each)
            return str(prefix)
    raise damaged[0]


def read(prefix: str, names: Sequence[str] | None = None) -> dict[str, Array]:
    """Variables of a checkpoint by name, all of them unless ``names`` are given.

    Raises:
        CheckpointError: it does not exist, or is not whole, or has no variable of a name.
    """
    try:
        reader: Any = tf.train.load_checkpoint(prefix)
        wanted = reader.get_variable_to_shape_map() if names is None else names
        return {name: reader.get_tensor(name) for name in wanted}
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        state = Path(prefix).parent / "checkpoint"
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
