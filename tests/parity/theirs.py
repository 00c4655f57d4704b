"""The judge: the estimator of TensorFlow 2.15. Runs in that environment only."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import random
import warnings
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.simplefilter("ignore")

import tensorflow as tf  # noqa: E402

from tests.parity import cases  # noqa: E402
from tests.parity.cases import Case  # noqa: E402

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)


def estimator(case: Case, model_dir: Path, **config: Any) -> Any:
    """A classifier of the case, whose first weights are the same each time."""
    # Its initializers draw from Python's own generator.
    random.seed(case.name)
    kinds = tf.keras.optimizers
    return tf.estimator.experimental.RNNClassifier(
        **cases.arguments(tf, case),
        optimizer=cases.optimizer(case, kinds.legacy, kinds.schedules),
        model_dir=str(model_dir),
        config=tf.estimator.RunConfig(tf_random_seed=1, keep_checkpoint_max=1, **config),
    )


def versions() -> dict[str, str]:
    """What the numbers depend on."""
    packages = ("tensorflow", "tensorflow-estimator", "keras", "numpy")
    return {
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }
