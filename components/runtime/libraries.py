"""Keeps what libraries write for their own developers off a user's terminal."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Final

_ONE_AT_A_TIME: Final = threading.Lock()


def load_tensorflow() -> None:
    """Imports TensorFlow, once, with the process's standard error muted meanwhile.

    Its C++ part writes there before its log level takes effect. It must be imported before Beam,
    which loads parts of it. A Python exception is raised as usual.
    """
    with _ONE_AT_A_TIME:
        if "tensorflow" in sys.modules:
            return
        with _muted_standard_error(), _no_garbage_collected():
            import tensorflow  # noqa: F401  (the slow import is the purpose of this function)


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
