"""The public names: a change of them is a change of the interface, and shows here."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rnn_core

ESTIMATORS = {
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "ModeKeys",
    "RNNClassifier",
    "RNNEstimator",
    "RunConfig",
    "TrainSpec",
    "VocabInfo",
    "WarmStartSettings",
    "train_and_evaluate",
}
HEADS = {
    "BinaryClassHead",
    "Head",
    "MultiClassHead",
    "MultiLabelHead",
    "RegressionHead",
    "SequentialHeadWrapper",
}
HOOKS = {
    "CheckpointSaverHook",
    "FinalOpsHook",
    "LoggingTensorHook",
    "NanTensorHook",
    "ProfilerHook",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "make_early_stopping_hook",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
}
EXPORTERS = {
    "BestExporter",
    "Exporter",
    "FinalExporter",
    "LatestExporter",
    "build_raw_supervised_input_receiver_fn",
    "export",
}
OWN = {
    "BestCheckpointExporter",
    "Hook",
    "HookContext",
    "Predictor",
    "load_predictor",
    "multi_worker_strategy",
}
"""Without a counterpart in tf.estimator."""
ERRORS = {
    "ArchitectureError",
    "ArgumentError",
    "ArgumentTypeError",
    "CheckpointError",
    "EmptyInputError",
    "FeatureError",
    "InputPositionError",
    "LabelError",
    "MissingFeatureError",
    "ModelFnError",
    "NanLossDuringTrainingError",
    "RnnCoreError",
    "StorageError",
    "UnsupportedError",
    "WorkerLostError",
}
EXPORT = {
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
}


def public_names() -> list[str]:
    names: list[str] = rnn_core.__all__  # type: ignore[attr-defined]  # __getattr__ gives it
    return names


def test_the_names_of_the_package_are_these() -> None:
    expected = ESTIMATORS | HEADS | HOOKS | EXPORTERS | OWN | ERRORS
    assert public_names() == sorted(expected)


def test_the_names_for_exports_are_these() -> None:
    assert rnn_core.export.__all__ == sorted(EXPORT)


@pytest.mark.parametrize("module", [rnn_core, rnn_core.export])
def test_every_public_name_exists_and_is_documented(module: object) -> None:
    for name in module.__all__:  # type: ignore[attr-defined]
        assert getattr(module, name).__doc__, name


@pytest.mark.parametrize("name", ["RNNClassifier", "export", "heads", "train_and_evaluate"])
def test_a_name_is_loaded_when_it_is_first_used(name: str) -> None:
    code = f"import rnn_core; assert rnn_core.{name} is rnn_core.{name}"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_dir_lists_the_public_names() -> None:
    assert set(public_names()) <= set(dir(rnn_core))


def test_star_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from rnn_core import *", names)
    assert set(public_names()) <= names.keys()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rnn_core' has no attribute 'DNNClassifier'"):
        rnn_core.DNNClassifier  # type: ignore[attr-defined]  # noqa: B018
