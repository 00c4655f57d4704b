"""Which way recurrent layers of the built-in kinds are run.

The native operations do it where they are built, on CPUs. Stock operations do it everywhere else,
and in everything that is exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import tensorflow as tf

from rnn_core.kernels.library import operations
from rnn_core.models import native_layers, stock_layers
from rnn_core.models.cells import Layer
from rnn_core.names import LayerOutput

_EXPORTING: Final = ContextVar("exporting", default=False)


@contextmanager
def stock_operations() -> Iterator[None]:
    """What is traced inside holds stock TensorFlow operations only."""
    token = _EXPORTING.set(True)
    try:
        yield
    finally:
        _EXPORTING.reset(token)


def run_layers(
    layers: Sequence[Layer], values: tf.Tensor, mask: tf.Tensor, output: LayerOutput
) -> tf.Tensor:
    """As ``rnn_core.models.stock_layers.run_stock``, the fastest way that may be taken."""
    exporting = _EXPORTING.get()
    on_gpu = bool(tf.config.get_visible_devices("GPU"))
    if not exporting and not on_gpu and operations("layers") is not None:
        return native_layers.run_native(layers, values, mask, output)
    return stock_layers.run_stock(layers, values, mask, output, is_exported=exporting)
