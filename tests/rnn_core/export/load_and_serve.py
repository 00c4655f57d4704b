"""A server, in a process that has TensorFlow alone: python load_and_serve.py REQUESTS ANSWERS.

REQUESTS is a pickled list of (directory, tag, signature, inputs by name); ANSWERS gets the outputs.
"""

from __future__ import annotations

import functools
import pickle
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf


@functools.cache
def load(directory: str, tag: str) -> Any:
    return tf.saved_model.load(directory, tags=[tag])


def main(requests: str, answers: str) -> None:
    served = []
    for directory, tag, signature, inputs in pickle.loads(Path(requests).read_bytes()):
        outputs = load(directory, tag).signatures[signature](
            **{name: tf.constant(value) for name, value in inputs.items()}
        )
        served.append({name: value.numpy() for name, value in outputs.items()})
    assert not any(name.startswith("rnn_core") for name in sys.modules)
    Path(answers).write_bytes(pickle.dumps(served))


if __name__ == "__main__":
    main(*sys.argv[1:])
