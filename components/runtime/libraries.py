"""Imports TensorFlow: quietly, and without what this project has no use for.

Keeps what libraries write for their own developers off a user's terminal.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType


def mute_import_of_tensorflow() -> None:
    """From now on, whoever imports TensorFlow first in this process, its import writes nothing.

    Its C++ part writes to standard error before its log level takes effect. A Python exception is
    raised as usual.
    """
    if not any(isinstance(finder, _MutingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _MutingFinder())


def load_tensorflow() -> None:
    """Imports TensorFlow, muted. It must come before Beam, which loads parts of it."""
    mute_import_of_tensorflow()
    import tensorflow  # noqa: F401  (the slow import is the purpose of this function)


class _MutingFinder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as usual, and leaves every other module to the other finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _MutingLoader(spec.loader.name, spec.loader.path)
        return spec


class _MutingLoader(SourceFileLoader):
    # Python holds the module's lock meanwhile, so that other threads wait for the import to end.
    def exec_module(self, module: ModuleType) -> None:
        with _muted_standard_error(), _no_garbage_collected(), _without_extras_of_keras():
            super().exec_module(module)


@contextlib.contextmanager
def tensorflow_loading() -> Iterator[None]:
    """Imports TensorFlow in a background thread.

    On exit the import has finished and stderr is restored.
    """

    def try_to_load() -> None:
        # What needs TensorFlow later gets the same error, and reports it.
        with contextlib.suppress(Exception):
            load_tensorflow()

    thread = threading.Thread(target=try_to_load, name="load TensorFlow")
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextlib.contextmanager
def _muted_standard_error() -> Iterator[None]:
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


_OBJECTS_PER_COLLECTION = 10_000
"""Instead of Python's 700. Beam, MLflow and the tracing of functions make objects by the hundred
thousand, few of them garbage: collections took a tenth of the processor time of a small run."""


@contextlib.contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Imports leave no garbage, and searching for it takes a quarter of their time."""
    gc.disable()
    try:
        yield
    finally:
        # What was imported lives as long as the process: no later collection needs to visit it.
        gc.freeze()
        gc.set_threshold(_OBJECTS_PER_COLLECTION)
        gc.enable()


# Keras imports these two if they are there, for its wrapper of scikit-learn and its plots of
# images, and does without them if they are not. They take a third of the import of TensorFlow.
_EXTRAS_OF_KERAS = {"matplotlib", "sklearn"}


class _HidingFinder(importlib.abc.MetaPathFinder):
    """Finds no extra of Keras in this thread: another may want it for itself meanwhile."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in _EXTRAS_OF_KERAS and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)
        return None


@contextlib.contextmanager
def _without_extras_of_keras() -> Iterator[None]:
    """What is hidden is not marked as missing: an import of it later on works."""
    finder = _HidingFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


_LOGGERS = ("apache_beam", "absl", "tensorflow", "py.warnings")


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """While this is open, Beam, TFT and TensorFlow log errors only and warn of nothing."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
