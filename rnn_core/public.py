"""All public names, which ``rnn_core`` gives out: import them from there.

They are apart from ``rnn_core/__init__.py`` because they load TensorFlow.
"""

from __future__ import annotations

import rnn_core.export as export
from rnn_core.config.network_config import ConvolutionLayer, NetworkConfig
from rnn_core.config.run_config import RunConfig
from rnn_core.distribution import multi_worker_strategy
from rnn_core.errors import (
    ArchitectureError,
    ArgumentError,
    ArgumentTypeError,
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
    WorkerLostError,
)
from rnn_core.estimators.added_metrics import add_metrics
from rnn_core.estimators.classifier import RNNClassifier
from rnn_core.estimators.early_stopping import (
    make_early_stopping_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from rnn_core.estimators.estimator import Estimator
from rnn_core.estimators.evaluation_hooks import (
    InMemoryEvaluatorHook,
    make_stop_at_checkpoint_step_hook,
)
from rnn_core.estimators.rnn_estimator import RNNEstimator
from rnn_core.estimators.specs import EvalSpec, TrainSpec
from rnn_core.estimators.train_and_evaluate import train_and_evaluate
from rnn_core.export import Predictor, load_predictor
from rnn_core.export.exporters import (
    BestCheckpointExporter,
    BestExporter,
    Exporter,
    FinalExporter,
    LatestExporter,
)
from rnn_core.export.receiver_fns import build_raw_supervised_input_receiver_fn
from rnn_core.features.parse_specs import (
    classifier_parse_example_spec,
    regressor_parse_example_spec,
)
from rnn_core.heads import (
    BinaryClassHead,
    Head,
    LogisticRegressionHead,
    MultiClassHead,
    MultiHead,
    MultiLabelHead,
    PoissonRegressionHead,
    RegressionHead,
    SequentialHeadWrapper,
)
from rnn_core.hooks import (
    CheckpointSaverHook,
    FinalOpsHook,
    Hook,
    HookContext,
    LoggingTensorHook,
    NanTensorHook,
    ProfilerHook,
    StepCounterHook,
    StopAtStepHook,
    SummarySaverHook,
)
from rnn_core.models.estimator_spec import EstimatorSpec
from rnn_core.optimizers.schedules import OneCycle
from rnn_core.storage.warm_start import VocabInfo, WarmStartSettings
from rnn_core.types import ModeKeys

__all__ = [
    "ArchitectureError",
    "ArgumentError",
    "ArgumentTypeError",
    "BestCheckpointExporter",
    "BestExporter",
    "BinaryClassHead",
    "CheckpointError",
    "CheckpointSaverHook",
    "ConvolutionLayer",
    "EmptyInputError",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "Exporter",
    "FeatureError",
    "FinalExporter",
    "FinalOpsHook",
    "Head",
    "Hook",
    "HookContext",
    "InMemoryEvaluatorHook",
    "InputPositionError",
    "LabelError",
    "LatestExporter",
    "LoggingTensorHook",
    "LogisticRegressionHead",
    "MissingFeatureError",
    "ModeKeys",
    "ModelFnError",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "NanLossDuringTrainingError",
    "NanTensorHook",
    "NetworkConfig",
    "OneCycle",
    "PoissonRegressionHead",
    "Predictor",
    "ProfilerHook",
    "RNNClassifier",
    "RNNEstimator",
    "RegressionHead",
    "RnnCoreError",
    "RunConfig",
    "SequentialHeadWrapper",
    "StepCounterHook",
    "StopAtStepHook",
    "StorageError",
    "SummarySaverHook",
    "TrainSpec",
    "UnsupportedError",
    "VocabInfo",
    "WarmStartSettings",
    "WorkerLostError",
    "add_metrics",
    "build_raw_supervised_input_receiver_fn",
    "classifier_parse_example_spec",
    "export",
    "load_predictor",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "multi_worker_strategy",
    "regressor_parse_example_spec",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
    "train_and_evaluate",
]
