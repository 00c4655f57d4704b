"""Multiplies square matrices on all cores: what a step of any peer could reach at most."""

from __future__ import annotations

import json
import sys
from typing import Any

import tensorflow as tf

from benchmarks.peers.work import PRODUCT_SIZE, PRODUCTS
from benchmarks.processes.windows import Windows


def main(_settings: dict[str, Any]) -> None:
    """Takes no settings."""
    matrix, windows = tf.ones([PRODUCT_SIZE, PRODUCT_SIZE]), Windows()
    tf.matmul(matrix, matrix).numpy()
    while windows.end_window():
        for _ in range(PRODUCTS):
            product = tf.matmul(matrix, matrix)
        product.numpy()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
