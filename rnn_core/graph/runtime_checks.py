"""Checks of values that are known only while a graph runs, and the errors that they stand for.

An operation cannot raise a class of this package: the name of the class stands before the message
of an assertion, and is read from it where the graph was called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import tensorflow as tf

from rnn_core.errors import (
    FeatureError,
    LabelError,
    ModelFnError,
    NanLossDuringTrainingError,
    RnnCoreError,
)

_KINDS: Final[dict[str, type[RnnCoreError]]] = {
    kind.__name__: kind
    for kind in (FeatureError, LabelError, ModelFnError, NanLossDuringTrainingError)
}

_SHOWN: Final = 10
"""How many numbers an error shows."""


def require(
    condition: tf.Tensor, kind: type[RnnCoreError], message: str, data: tf.Tensor
) -> tf.Operation:
    """An operation that stops the graph unless ``condition`` holds; ``data`` is shown."""
    shown = [f"{kind.__name__}: {message}:", data]
    return tf.debugging.Assert(condition, shown, summarize=_SHOWN)


def checked(
    value: tf.Tensor,
    condition: tf.Tensor,
    kind: type[RnnCoreError],
    message: str,
    data: tf.Tensor,
) -> tf.Tensor:
    """``value``, which is not computed unless ``condition`` holds."""
    # Only operations that are made inside wait for the check, hence the identity: `value` itself
    # was made before.
    with tf.control_dependencies([require(condition, kind, message, data)]):
        return tf.identity(value)


@contextmanager
def named_errors() -> Iterator[None]:
    """Turns a failed check into the error it stands for, one of a feature column into FeatureError.

    Raises:
        FeatureError, LabelError, NanLossDuringTrainingError: a check failed.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        text = _assertion_text(str(error))
        if text is None:
            raise
        name, _, rest = text.partition(": ")
        if name in _KINDS:
            raise _KINDS[name](rest) from None
        # Without one of our names it is an assertion of TensorFlow's own: of a feature column.
        raise FeatureError(text) from None


def _assertion_text(error: str) -> str | None:
    """The data of a failed assertion, which stands as ``[...] [...]`` before the graph's nodes."""
    _, found, rest = error.partition("assertion failed: ")
    if not found:
        return None
    # The assertion's text goes on with the node of the graph, which differs between kernels.
    data = re.split(r"\s*\[\[\{\{node", rest)[0]
    return data.removeprefix("[").replace(":] ", ": ", 1).replace("\\'", "'")
