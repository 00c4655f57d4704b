"""Keeps what libraries say to their own developers away from a user's terminal."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

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
