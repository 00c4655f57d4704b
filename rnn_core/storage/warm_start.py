"""Warm start: initial values from the checkpoint of another model.

With a vocabulary for a variable, its rows are matched by word: a row of the new vocabulary that the
old one had too keeps its value, wherever it stood.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rnn_core.errors import ArgumentError, CheckpointError
from rnn_core.storage import checkpoints
from rnn_core.storage.files import join, read_text
from rnn_core.types import Array

logger = logging.getLogger("rnn_core")


@dataclasses.dataclass(frozen=True)
class VocabInfo:
    """The vocabularies of a variable that has a row for each word, in files of one word per line.

    ``*_vocab_size`` limits a file to its first words (-1: all of the old one). The rows of
    ``num_oov_buckets`` and of words that are new keep their initial values, or get those of
    ``backup_initializer``. ``axis`` 1 says that the words are the columns.
    """

    new_vocab: str
    new_vocab_size: int
    num_oov_buckets: int
    old_vocab: str
    old_vocab_size: int = -1
    backup_initializer: Any = None
    axis: int = 0


@dataclasses.dataclass(frozen=True)
class WarmStartSettings:
    """What to take from which checkpoint.

    Args:
        ckpt_to_initialize_from: the prefix of a checkpoint, or a directory whose newest is taken.
        vars_to_warm_start: a regular expression over the names of trainable variables; or a list of
            them over the names of all variables; or variables; None: those with a vocabulary only.
        var_name_to_vocab_info: a ``VocabInfo`` by variable name.
        var_name_to_prev_var_name: the name in the checkpoint, by variable name, where it differs.

    Raises:
        ArgumentError: no checkpoint is named.
    """

    ckpt_to_initialize_from: str
    vars_to_warm_start: Any = ".*"
    var_name_to_vocab_info: Mapping[str, VocabInfo] | None = None
    var_name_to_prev_var_name: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.ckpt_to_initialize_from:
            raise ArgumentError("WarmStartSettings: ckpt_to_initialize_from must be given.")


def warm_start_settings(given: Any) -> WarmStartSettings | None:
    """The settings that ``warm_start_from`` stands for; a SavedModel gives its variables.

    Raises:
        ArgumentError: it is neither a path nor ``WarmStartSettings``.
    """
    if given is None or isinstance(given, WarmStartSettings):
        return given
    if not isinstance(given, (str, os.PathLike)):
        raise ArgumentError(
            f"warm_start_from: expected a path or WarmStartSettings, got {given!r}."
        )
    saved = join(given, "variables", "variables")
    return WarmStartSettings(saved if checkpoints.exists(saved) else os.fspath(given))


def warm_start(variables: Mapping[str, tf.Variable], settings: WarmStartSettings) -> None:
    """Assigns the values that ``settings`` names to ``variables``, which have initial values.

    Raises:
        CheckpointError: there is no such checkpoint, or it has not a variable that was asked for.
        ArchitectureError: a value has another shape.
    """
    path = settings.ckpt_to_initialize_from
    # A path is a prefix if there is a checkpoint of that prefix, and else a directory.
    prefix = path if checkpoints.exists(path) else checkpoints.latest(path)
    if prefix is None:
        raise CheckpointError(f"ckpt_to_initialize_from: no checkpoint at {path}.")
    names = _chosen(variables, settings.vars_to_warm_start)
    vocabularies = settings.var_name_to_vocab_info or {}
    previous = settings.var_name_to_prev_var_name or {}
    chosen = sorted({*names, *(name for name in vocabularies if name in variables)})
    sources = _sources({name: previous.get(name, name) for name in chosen}, prefix)
    values = checkpoints.read(prefix, list(sources.values()))
    taken = {name: values[source] for name, source in sources.items()}
    for name in set(chosen) & set(vocabularies):
        taken[name] = _matched(variables[name].numpy(), taken[name], vocabularies[name])
    targets = {name: variables[name] for name in chosen}
    # Before the first assignment, so that an error leaves no model that is half warm. The rows of a
    # vocabulary are matched by now: these values have the shapes of the new model.
    checkpoints.check(targets, taken, prefix)
    for name, variable in targets.items():
        variable.assign(taken[name])
        # Averages begin at the weights, also those that no expression for weights selects.
        average = variables.get(checkpoints.average_of(name))
        if average is not None:
            average.assign(taken[name])
    logger.info("Took %d variables from %s", len(targets), prefix)


def _sources(wanted: Mapping[str, str], prefix: str) -> dict[str, str]:
    """``wanted``, but averages where the checkpoint has only those, such as that of an export."""
    stored = checkpoints.stored_names(prefix)
    averages = {name: checkpoints.average_of(source) for name, source in wanted.items()}
    return {
        name: averages[name] if source not in stored and averages[name] in stored else source
        for name, source in wanted.items()
    }


def _chosen(variables: Mapping[str, tf.Variable], which: Any) -> list[str]:
    if which is None:
        return []
    # As in 2.15, one expression selects among trainable variables and a list among all; re.match
    # asks for the beginning of a name, not for all of it.
    if isinstance(which, str):
        return [k for k, v in variables.items() if v.trainable and re.match(which, k)]
    if isinstance(which, Sequence) and all(isinstance(one, str) for one in which):
        return [k for k in variables if any(re.match(one, k) for one in which)]
    wanted = which if isinstance(which, Sequence) else [which]
    return [k for k, v in variables.items() if any(v is one for one in wanted)]


def _matched(new: Array, old: Array, info: VocabInfo) -> Array:
    """``new``, with the rows (or columns) of the words that both vocabularies have from ``old``."""
    at = {word: index for index, word in enumerate(_words(info.old_vocab, info.old_vocab_size))}
    words = enumerate(_words(info.new_vocab, info.new_vocab_size))
    pairs = [(index, at[word]) for index, word in words if word in at]
    start = new if info.backup_initializer is None else info.backup_initializer(new.shape)
    # np.array copies, and moveaxis gives a view of the copy: assigning rows fills it in place.
    rows = np.moveaxis(np.array(start, new.dtype), info.axis, 0)
    for target, source in pairs:
        rows[target] = np.moveaxis(old, info.axis, 0)[source]
    return np.moveaxis(rows, 0, info.axis)


def _words(path: str, size: int) -> list[str]:
    words = read_text(path).splitlines()
    return words if size == -1 else words[:size]
