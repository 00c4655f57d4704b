"""rnn_core: recurrent classifiers with the estimator's interface, native to TensorFlow 2.21.

What was ``tf.estimator.X`` or ``tf.estimator.experimental.X`` is ``rnn_core.X``.
"""

from __future__ import annotations

from rnn_core.classifier import RNNClassifier
from rnn_core.config import RunConfig
from rnn_core.early_stopping import stop_if_no_decrease_hook, stop_if_no_increase_hook
from rnn_core.errors import (
    ArchitectureError,
    ArgumentError,
    CheckpointError,
    EmptyInputError,
    FeatureError,
    InputPositionError,
    LabelError,
    MissingFeatureError,
    ModelFnError,
    NanLossDuringTrainingError,
    RnnCoreError,
    StorageError,
    UnsupportedError,
)
from rnn_core.estimator import Estimator
from rnn_core.estimator_spec import EstimatorSpec
from rnn_core.export import Predictor, load_predictor
from rnn_core.exporters import BestCheckpointExporter, Exporter
from rnn_core.heads import (
    BinaryClassHead,
    Head,
    MultiClassHead,
    MultiLabelHead,
    RegressionHead,
)
from rnn_core.hooks import Hook, HookContext
from rnn_core.rnn_estimator import RNNEstimator
from rnn_core.train_and_evaluate import EvalSpec, TrainSpec, train_and_evaluate
from rnn_core.types import ModeKeys
from rnn_core.warm_start import VocabInfo, WarmStartSettings

__all__ = [
    "ArchitectureError",
    "ArgumentError",
    "BestCheckpointExporter",
    "BinaryClassHead",
    "CheckpointError",
    "EmptyInputError",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "Exporter",
    "FeatureError",
    "Head",
    "Hook",
    "HookContext",
    "InputPositionError",
    "LabelError",
    "MissingFeatureError",
    "ModeKeys",
    "ModelFnError",
    "MultiClassHead",
    "MultiLabelHead",
    "NanLossDuringTrainingError",
    "Predictor",
    "RNNClassifier",
    "RNNEstimator",
    "RegressionHead",
    "RnnCoreError",
    "RunConfig",
    "StorageError",
    "TrainSpec",
    "UnsupportedError",
    "VocabInfo",
    "WarmStartSettings",
    "load_predictor",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
    "train_and_evaluate",
]
