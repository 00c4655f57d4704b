"""Finds and loads the library of the native operations."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import platform
from pathlib import Path
from typing import Any, Final, Literal

import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.storage.files import first_line

logger = logging.getLogger("rnn_core")

DIRECTORY: Final = Path(__file__).parent
"""Where the sources are, and the library."""
SWITCH: Final = "RNN_CORE_KERNELS"
"""The environment variable: ``on``, ``off``, or the name of the one part to use."""

Part = Literal["layers", "exchange"]
_OTHERWISE: Final[dict[Part, str]] = {
    "layers": "Recurrent layers run on stock TensorFlow operations",
    "exchange": "Workers add up their gradients in Python",
}


def library_path() -> Path:
    """Where the library of this source, TensorFlow and machine is, or will be."""
    key = hashlib.sha256()
    for source in (*sources(), *sorted(DIRECTORY.glob("*.h"))):
        key.update(source.read_bytes())
    # The compiler's version, too: operations share C++ objects with TensorFlow, and so its ABI.
    key.update(f"{tf.version.VERSION} {tf.version.COMPILER_VERSION} {platform.machine()}".encode())
    return DIRECTORY / f"kernels-{key.hexdigest()[:16]}.so"


def sources() -> list[Path]:
    """What is compiled."""
    return sorted(DIRECTORY.glob("*.cc"))


def operations(part: Part) -> Any | None:
    """The module with the native operations; None, and one line in the log, if there are none.

    Args:
        part: what they are wanted for.

    Raises:
        ArgumentError: ``RNN_CORE_KERNELS`` has another value.
    """
    wanted = os.environ.get(SWITCH, "on")
    if wanted not in ("on", "off", *_OTHERWISE):
        raise ArgumentError(
            f"{SWITCH}: expected 'on', 'off', 'layers' (only these) or 'exchange' (only this) in "
            f"the environment, got {wanted!r}."
        )
    if wanted in ("on", part):
        found, why = _library()
        return found or _nothing(part, why)
    return _nothing(part, f"{SWITCH}={wanted}")


@functools.cache
def _library() -> tuple[Any | None, str]:
    """The module, or why there is none."""
    library = library_path()
    if not library.exists():
        return None, f"there is no {library}; python -m rnn_core.kernels builds it"
    try:
        return tf.load_op_library(str(library)), ""
    except (tf.errors.OpError, OSError) as error:
        return None, f"cannot load {library}: {first_line(error)}"


@functools.cache
def _nothing(part: Part, why: str) -> None:
    """Logs once per part and reason that there are no native operations."""
    logger.info("%s: %s", _OTHERWISE[part], why)
