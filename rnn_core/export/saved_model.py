"""Writes a SavedModel of up to three graphs with one set of variables, whole or not at all.

<base>/<seconds since 1970>/saved_model.pb (or .pbtxt)
                            variables/variables.{index,data-00000-of-00001}
                            assets/         files that tables are read from
                            assets.extra/   what the caller adds
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from google.protobuf import text_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from rnn_core.errors import ArgumentError
from rnn_core.export import mode_graph
from rnn_core.export.mode_graph import ModeGraph, ModelSource, checkpoint_to_export
from rnn_core.export.receiver_fns import ReceiverFn
from rnn_core.graph.eager import eagerly
from rnn_core.storage import checkpoints
from rnn_core.storage.files import (
    FilePath,
    check_directory,
    copy,
    exists,
    is_directory,
    join,
    make_directory,
    name_of,
    names_in,
    parent_of,
    remove,
    rename_directory,
    storage_errors,
    write_bytes,
)
from rnn_core.types import Array, ModeKeys

_MODES: Final = (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)
_SCHEMA_VERSION: Final = 1

Assets = Mapping[str, FilePath]
"""Source files by their path below ``assets.extra``."""


@eagerly
def export_saved_model(
    source: ModelSource,
    base: FilePath,
    receiver_fns: Mapping[str, ReceiverFn | None],
    assets_extra: Assets | None = None,
    as_text: bool = False,
    checkpoint_path: str | os.PathLike[str] | None = None,
    strip_default_attrs: bool = True,
) -> str:
    """Writes the graphs of all modes in ``receiver_fns`` below ``base``; gives the directory.

    Raises:
        ArgumentError: there is no mode or an unknown one, a receiver function cannot be used, or an
            extra asset does not exist, or the path of ``base`` cannot be read again.
        CheckpointError: there is no checkpoint, or it is of another model.
        FeatureError, LabelError: a receiver does not fit the model.
        StorageError: ``base`` cannot be written.
    """
    check_directory(base, "export_dir_base")
    modes = _checked_modes(receiver_fns)
    extra = _checked_assets(assets_extra or {})
    checkpoint = checkpoint_to_export(source, checkpoint_path)
    # Before the directory is made: a graph that cannot be built leaves nothing on disk.
    graphs = [
        mode_graph.build(source, mode, receiver_fn, strip_default_attrs)
        for mode, receiver_fn in modes.items()
    ]
    values = _values(graphs, checkpoint)
    with storage_errors(base), _new_directory(base) as directory:
        make_directory(join(directory, "variables"))
        checkpoints.write(values, join(directory, "variables", "variables"))
        _copy(_name_assets(graphs), join(directory, "assets"))
        _copy(extra, join(directory, "assets.extra"))
        _write_graphs(graphs, directory, as_text)
        return _publish(directory)


def _checked_modes(receiver_fns: Mapping[str, ReceiverFn | None]) -> dict[str, ReceiverFn]:
    unknown = sorted(set(receiver_fns) - set(_MODES))
    given = {mode: fn for mode in _MODES if (fn := receiver_fns.get(mode)) is not None}
    if unknown or not given:
        raise ArgumentError(
            f"Expected an input receiver function for one of the modes {', '.join(_MODES)}, got "
            f"{dict(receiver_fns)!r}."
        )
    return given


def _checked_assets(assets: Assets) -> dict[str, str]:
    for name, source in assets.items():
        if not exists(source) or is_directory(source):
            raise ArgumentError(f"assets_extra[{name!r}]: there is no file {str(source)!r}.")
    return {name: os.fspath(source) for name, source in assets.items()}


def _values(graphs: Sequence[ModeGraph], checkpoint: str) -> dict[str, Array]:
    """The values of all variables, from the checkpoint. Raises CheckpointError."""
    values = checkpoints.read(checkpoint)
    for graph in graphs:
        checkpoints.check(graph.variables, values, checkpoint)
    return {name: values[name] for graph in graphs for name in graph.variables}


def _name_assets(graphs: Sequence[ModeGraph]) -> dict[str, str]:
    """Names each file in the graphs that read it; gives the files by name."""
    names: dict[str, str] = {}
    for graph in graphs:
        for tensor, path in graph.assets.items():
            name = names.setdefault(path, _free_name(name_of(path), names.values()))
            asset = graph.message.asset_file_def.add(filename=name)
            asset.tensor_info.name = tensor
    return {name: path for path, name in names.items()}


def _free_name(name: str, taken: Collection[str]) -> str:
    candidates = [name, *(f"{name}_{count + 1}" for count in range(len(taken)))]
    return next(candidate for candidate in candidates if candidate not in taken)


def _copy(files: Mapping[str, str], directory: str) -> None:
    for name, source in files.items():
        target = join(directory, name)
        make_directory(parent_of(target))
        copy(source, target)


def _write_graphs(graphs: Sequence[ModeGraph], directory: str, as_text: bool) -> None:
    message = SavedModel(
        saved_model_schema_version=_SCHEMA_VERSION, meta_graphs=[graph.message for graph in graphs]
    )
    if as_text:
        text = text_format.MessageToString(message)
        write_bytes(join(directory, "saved_model.pbtxt"), text.encode())
    else:
        data = message.SerializeToString(deterministic=True)
        write_bytes(join(directory, "saved_model.pb"), data)


@contextmanager
def _new_directory(base: FilePath) -> Iterator[str]:
    """A temporary directory, deleted at the end unless it was renamed.

    TensorFlow Serving loads directories whose names are numbers, and so ignores it.
    """
    directory = join(base, f"temp-{uuid.uuid4().hex}")
    make_directory(directory)
    try:
        yield directory
    finally:
        with suppress(OSError):
            remove(directory)


def _publish(directory: str) -> str:
    """Renames ``directory`` to the time in seconds, or to the first number that is free after it.

    Later exports have larger numbers, also several in one second and by several processes.
    """
    base = parent_of(directory)
    # Another process may take the number in between: the rename then fails, and the next is tried.
    newest = max((int(name) for name in names_in(base) if name.isdigit()), default=0)
    number = max(int(time.time()), newest + 1)
    while True:
        target = join(base, str(number))
        try:
            rename_directory(directory, target)
        except OSError:
            if not exists(target):
                raise
            number += 1
        else:
            return target
