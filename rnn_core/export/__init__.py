"""Exports: what was ``tf.estimator.export.X`` is ``rnn_core.export.X``."""

from __future__ import annotations

from rnn_core.export.predictor import Predictor, load_predictor
from rnn_core.export.receiver_fns import (
    build_parsing_serving_input_receiver_fn,
    build_raw_serving_input_receiver_fn,
)
from rnn_core.export.receivers import (
    ServingInputReceiver,
    SupervisedInputReceiver,
    TensorServingInputReceiver,
)
from rnn_core.export.supervised import EvalOutput, TrainOutput
from rnn_core.heads.export_outputs import (
    ClassificationOutput,
    ExportOutput,
    PredictOutput,
    RegressionOutput,
)

__all__ = [
    "ClassificationOutput",
    "EvalOutput",
    "ExportOutput",
    "PredictOutput",
    "Predictor",
    "RegressionOutput",
    "ServingInputReceiver",
    "SupervisedInputReceiver",
    "TensorServingInputReceiver",
    "TrainOutput",
    "build_parsing_serving_input_receiver_fn",
    "build_raw_serving_input_receiver_fn",
    "load_predictor",
]
