"""The public names of TensorFlow 2.15.1's estimator, recorded; run with that version:

python tests/rnn_core/goldens/make_public_names.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf


def names_of(owner: Any) -> list[str]:
    """What an owner has that is public, but its modules."""
    return [name for name in dir(owner) if not name.startswith("_")]


def main() -> None:
    estimator = tf.estimator
    recorded = {
        "tf.estimator": names_of(estimator),
        "tf.estimator.experimental": names_of(estimator.experimental),
        "tf.estimator.export": names_of(estimator.export),
        "Estimator": names_of(estimator.Estimator),
        "RunConfig": names_of(estimator.RunConfig),
    }
    text = json.dumps(recorded, indent=1)
    Path(__file__).with_name("public_names.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
