"""Finds and loads the library of the native recurrent layer."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import platform
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.files import first_line

logger = logging.getLogger("rnn_core")

SOURCE: Final = Path(__file__).with_name("recurrence.cc")
SWITCH: Final = "RNN_CORE_KERNELS"
"""The environment variable: ``off`` says that stock operations do everything."""


def library_path() -> Path:
    """Where the library of this source, TensorFlow and machine is, or will be."""
    key = hashlib.sha256(SOURCE.read_bytes())
    for header in sorted(SOURCE.parent.glob("*.h")):
        key.update(header.read_bytes())
    key.update(f"{tf.version.VERSION} {tf.version.COMPILER_VERSION} {platform.machine()}".encode())
    return SOURCE.with_name(f"recurrence-{key.hexdigest()[:16]}.so")


def operations() -> Any | None:
    """The module with the native operations; None, and one line in the log, if there are none.

    Raises:
        ArgumentError: ``RNN_CORE_KERNELS`` is neither ``on`` nor ``off``.
    """
    wanted = os.environ.get(SWITCH, "on")
    if wanted not in ("on", "off"):
        raise ArgumentError(f"{SWITCH}: expected 'on' or 'off' in the environment, got {wanted!r}.")
    return _operations(wanted == "on")


@functools.cache
def _operations(wanted: bool) -> Any | None:
    why = f"{SWITCH}=off"
    if wanted:
        library = library_path()
        why = f"there is no {library}; python -m rnn_core.kernels builds it"
        if library.exists():
            try:
                return tf.load_op_library(str(library))
            except (tf.errors.OpError, OSError) as error:
                why = f"cannot load {library}: {first_line(error)}"
    logger.info("Recurrent layers run on stock TensorFlow operations: %s", why)
    return None
