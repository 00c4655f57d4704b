"""The public names: a change of them is a change of the interface, and shows here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import rnn_core
from rnn_core import left_out

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
    "add_metrics",
    "classifier_parse_example_spec",
    "regressor_parse_example_spec",
    "train_and_evaluate",
}
HEADS = {
    "BinaryClassHead",
    "Head",
    "LogisticRegressionHead",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "PoissonRegressionHead",
    "RegressionHead",
    "SequentialHeadWrapper",
}
HOOKS = {
    "CheckpointSaverHook",
    "FinalOpsHook",
    "InMemoryEvaluatorHook",
    "LoggingTensorHook",
    "NanTensorHook",
    "ProfilerHook",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
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
    "ConvolutionLayer",
    "Hook",
    "HookContext",
    "NetworkConfig",
    "OneCycle",
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
OUTPUTS = {
    "ClassificationOutput",
    "EvalOutput",
    "ExportOutput",
    "PredictOutput",
    "RegressionOutput",
    "TrainOutput",
}
RECEIVERS = {
    "ServingInputReceiver",
    "SupervisedInputReceiver",
    "TensorServingInputReceiver",
    "build_parsing_serving_input_receiver_fn",
    "build_raw_serving_input_receiver_fn",
}
PREDICTORS = {"Predictor", "load_predictor"}


def public_names() -> list[str]:
    names: list[str] = rnn_core.__all__  # type: ignore[attr-defined]  # __getattr__ gives it
    return names


def test_the_names_of_the_package_are_these() -> None:
    expected = ESTIMATORS | HEADS | HOOKS | EXPORTERS | OWN | ERRORS
    assert public_names() == sorted(expected)


def test_the_names_for_exports_are_these() -> None:
    assert rnn_core.export.__all__ == sorted(OUTPUTS | RECEIVERS | PREDICTORS)


@pytest.mark.parametrize("module", [rnn_core, rnn_core.export])
def test_every_public_name_exists_and_is_documented(module: object) -> None:
    for name in module.__all__:  # type: ignore[attr-defined]
        assert getattr(module, name).__doc__, name


_FIRST_USES = """
import os, sys
from components.runtime.libraries import load_tensorflow
load_tensorflow()  # once, as it takes seconds
for name in sys.argv[1:]:
    if os.fork() == 0:
        import rnn_core
        os._exit(0 if getattr(rnn_core, name) is getattr(rnn_core, name) else 1)
    assert os.wait()[1] == 0, name
"""


@pytest.mark.slow
def test_a_name_is_loaded_when_it_is_first_used() -> None:
    names = ["RNNClassifier", "export", "heads", "train_and_evaluate"]
    command = [sys.executable, "-c", _FIRST_USES, *names]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_module_can_be_imported_before_any_public_name() -> None:
    program = (
        "from rnn_core.estimators import checkpoint_evaluation; from rnn_core import callables"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_dir_lists_the_public_names() -> None:
    assert set(public_names()) <= set(dir(rnn_core))


def test_star_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from rnn_core import *", names)
    assert set(public_names()) <= names.keys()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'rnn_core' has no attribute 'Nothing'"):
        rnn_core.Nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", sorted(left_out.NAMES))
def test_a_name_that_is_left_out_says_what_replaces_it(name: str) -> None:
    assert not hasattr(rnn_core, name)
    with pytest.raises(AttributeError, match=f"'{name}'.*Use instead: .*") as caught:
        getattr(rnn_core, name)
    assert left_out.NAMES[name] in str(caught.value)


RECORDED = json.loads((Path(__file__).parent / "goldens" / "public_names.json").read_text())
"""The public names of 2.15.1."""


def test_each_public_name_of_2_15_is_there_or_left_out() -> None:
    recorded = {*RECORDED["tf.estimator"], *RECORDED["tf.estimator.experimental"]}
    assert recorded - {*public_names()} == set(left_out.NAMES)
    assert set(RECORDED["tf.estimator.export"]) <= set(rnn_core.export.__all__)


def test_each_method_of_2_15_is_there_or_left_out() -> None:
    config = rnn_core.RunConfig()
    missing = {
        f"{owner}.{name}"
        for owner, kind in (("Estimator", rnn_core.Estimator), ("RunConfig", config))
        for name in RECORDED[owner]
        if not hasattr(kind, name)
    }
    assert missing == set(left_out.METHODS)


def test_the_migration_guide_has_the_table_of_what_is_left_out() -> None:
    guide = (Path(rnn_core.__file__).parent / "README.md").read_text(encoding="utf-8")
    _, _, rest = guide.partition("| left out | use instead |\n|---|---|\n")
    rows = [row.strip("| ").split(" | ") for row in rest.split("\n\n")[0].splitlines()]
    table = {name.strip("`"): instead for name, instead in rows}
    assert table == {**left_out.NAMES, **left_out.METHODS}
