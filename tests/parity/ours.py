"""The estimator of this project, for a case. Runs in the project's environment only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import rnn_core
from tests.parity import cases
from tests.parity.cases import Case


def estimator(case: Case, model_dir: Path, **config: Any) -> rnn_core.RNNClassifier:
    """A classifier of the case, with the settings that ``theirs.estimator`` gives."""
    return rnn_core.RNNClassifier(
        **cases.arguments(tf, case),
        optimizer=cases.optimizer(case, keras.optimizers, keras.optimizers.schedules),
        model_dir=model_dir,
        config=rnn_core.RunConfig(tf_random_seed=1, keep_checkpoint_max=1, **config),
    )
