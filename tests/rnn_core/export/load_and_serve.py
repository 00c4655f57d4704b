"""A server, in a process that has TensorFlow alone: python load_and_serve.py REQUESTS ANSWERS.

REQUESTS is a pickled list of (directory, tag, signature, inputs by name); ANSWERS gets the outputs.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import tensorflow as tf


def main(requests: str, answers: str) -> None:
    served = []
    for directory, tag, signature, inputs in pickle.loads(Path(requests).read_bytes()):
        function = tf.saved_model.load(directory, tags=[tag]).signatures[signature]
        outputs = function(**{name: tf.constant(value) for name, value in inputs.items()})
        served.append({name: value.numpy() for name, value in outputs.items()})
    assert not any(name.startswith("rnn_core") for name in sys.modules)
    Path(answers).write_bytes(pickle.dumps(served))


if __name__ == "__main__":
    main(*sys.argv[1:])
