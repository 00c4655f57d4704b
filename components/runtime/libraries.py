"""Keeps what libraries write for their own developers off a user's terminal."""

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
        with _muted_standard_error(), _no_garbage_collected():
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


@contextlib.contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Imports leave no garbage, and searching for it takes a quarter of their time."""
    gc.disable()
    try:
        yield
    finally:
        # What was imported lives as long as the process: no later collection needs to visit it.
        gc.freeze()
        gc.enable()


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
