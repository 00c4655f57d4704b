"""The same classifier of rnn_core, or of TensorFlow 2.15 where that is installed."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from benchmarks.peers.features import column
from benchmarks.peers.work import CLASSES, Work


def new_classifier(work: Work, model_dir: str) -> Any:
    """An RNNClassifier that writes no checkpoints but the first and the last."""
    if hasattr(tf, "estimator"):
        kind, run_config = tf.estimator.experimental.RNNClassifier, tf.estimator.RunConfig
    else:
        # TensorFlow 2.15 cannot import it.
        import rnn_core

        kind, run_config = rnn_core.RNNClassifier, rnn_core.RunConfig
    return kind(
        [column(work)],
        units=list(work.units),
        cell_type=work.cell,
        n_classes=CLASSES,
        model_dir=model_dir,
        config=run_config(save_checkpoints_secs=3600),
    )
