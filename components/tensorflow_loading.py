"""Loads TensorFlow without what its C++ part writes to the terminal before its log level counts."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


def load_tensorflow() -> None:
    """Imports TensorFlow, once, with the process's standard error muted meanwhile.

    It must come before Beam, which loads parts of it. A Python exception is raised as usual.
    """
    if "tensorflow" in sys.modules:
        return
    with _muted_standard_error():
        import tensorflow  # noqa: F401  (the slow import is the purpose of this function)


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
