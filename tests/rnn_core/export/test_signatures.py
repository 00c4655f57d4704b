"""Signatures are those that 2.15 writes, and only those that can be served are written."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rnn_core
from rnn_core import export
from rnn_core.export.signatures import signature_defs
from tests.rnn_core.export import samples

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "signatures.json").read_text())
MODES = rnn_core.ModeKeys
v1 = tf.compat.v1


@pytest.fixture(scope="module", params=[2, 3])
def classes(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.fixture(scope="module")
def estimator(classes: int, tmp_path_factory: pytest.TempPathFactory) -> rnn_core.RNNClassifier:
    directory = tmp_path_factory.mktemp("estimator") / "model"
    return samples.untrained(directory, n_classes=classes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("golden", "receivers"),
    [
        ("parsing", {MODES.PREDICT: samples.parsing_receiver}),
        ("raw", {MODES.PREDICT: samples.raw_receiver}),
        ("alternative", {MODES.PREDICT: samples.alternative_receiver}),
        (
            "all",
            {
                MODES.TRAIN: samples.supervised_receiver,
                MODES.EVAL: samples.supervised_receiver,
                MODES.PREDICT: samples.parsing_receiver,
            },
        ),
    ],
)
def test_tags_signatures_and_variables_are_those_of_tensorflow_2_15(
    golden: str,
    receivers: dict[str, Any],
    classes: int,
    estimator: rnn_core.RNNClassifier,
    tmp_path: Path,
) -> None:
    path = estimator.experimental_export_all_saved_models(tmp_path, receivers)
    assert described(path) == GOLDENS[f"{golden}-{classes}"]


def described(path: str) -> dict[str, Any]:
    variables = tf.train.list_variables(f"{path}/variables/variables")
    return {
        **{
            ",".join(graph.meta_info_def.tags): {
                name: {
                    "method": signature.method_name,
                    "inputs": {key: describe(info) for key, info in signature.inputs.items()},
                    "outputs": {key: describe(info) for key, info in signature.outputs.items()},
                }
                for name, signature in graph.signature_def.items()
            }
            for graph in samples.read(path).meta_graphs
        },
        "variables": sorted(name for name, _ in variables),
    }


def describe(info: Any) -> list[Any]:
    return [
        info.WhichOneof("encoding"),
        tf.as_dtype(info.dtype).name,
        [size.size for size in info.tensor_shape.dim],
    ]


def made(output: Any, fed: Any, alternatives: Any = None) -> dict[str, Any]:
    return signature_defs({"served": output}, fed, alternatives)


def test_an_output_that_needs_what_is_not_fed_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with tf.Graph().as_default(), caplog.at_level(logging.INFO, "rnn_core"):
        fed, other = (v1.placeholder(tf.float32, [None], name) for name in ("fed", "other"))
        assert made(export.PredictOutput(fed + other), {"fed": fed}) == {}
    assert "needs other, which it is not fed" in caplog.text


def test_what_is_behind_a_fed_tensor_need_not_be_fed() -> None:
    with tf.Graph().as_default():
        parsed = v1.placeholder(tf.float32, [None]) * 2
        signature = made(export.PredictOutput(parsed + 1), {"parsed": parsed})["served"]
    assert signature.inputs["parsed"].name == parsed.name


def test_classification_and_regression_need_one_input_of_strings() -> None:
    with tf.Graph().as_default():
        text, number = v1.placeholder(tf.string, [None]), v1.placeholder(tf.float32, [None])
        scores = tf.strings.to_number(text)
        for output in (export.ClassificationOutput(scores), export.RegressionOutput(scores)):
            assert made(output, {"examples": text})["served"].inputs.keys() == {"inputs"}
            assert made(output, {"examples": text, "number": number}) == {}
            assert made(output, {"number": number}) == {}
            wide = type(output)(tf.cast(scores, tf.float64))
            assert made(wide, {"examples": text}) == {}


def test_alternatives_get_names_of_their_own() -> None:
    with tf.Graph().as_default():
        number = v1.placeholder(tf.float32, [None])
        doubled = number * 2
        output = export.PredictOutput(doubled + 1)
        signatures = made(output, {"number": number}, {"later": {"doubled": doubled}})
    assert sorted(signatures) == ["later:served", "served"]


def test_a_ragged_input_is_written_with_its_parts() -> None:
    with tf.Graph().as_default():
        ragged = v1.ragged.placeholder(tf.float32, 1)
        output = export.PredictOutput(tf.reduce_sum(ragged, 1))
        info = made(output, {"ragged": ragged})["served"].inputs["ragged"]
    names = [part.name for part in info.composite_tensor.components]
    assert names == [ragged.flat_values.name, ragged.row_splits.name]
