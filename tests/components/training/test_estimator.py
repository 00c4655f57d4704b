"""The estimator of a trained model: built from the config, and again from its directory."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from components.artifacts.schema import Schema, load_schema
from components.artifacts.values import Model
from components.config import ConvolutionConfig, ModelConfig, OptimizerConfig
from components.errors import NotFoundError
from components.training.datasets import read_batches
from components.training.estimator import (
    CHECKPOINTS,
    build_estimator,
    load_estimator,
    save_settings,
)
from tests.components.conftest import Prepared

OPTIMIZERS = get_args(get_type_hints(OptimizerConfig)["name"])


@pytest.fixture(scope="module")
def schema(mixed: Prepared) -> Schema:
    return load_schema(mixed.path)


def _batches(mixed: Prepared) -> tf.data.Dataset:
    return read_batches(mixed.examples, "train", 16, shuffle_seed=1, repeat=True)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_that_the_config_knows_can_train(
    name: Literal["sgd"], schema: Schema, mixed: Prepared, tmp_path: Path
) -> None:
    model = ModelConfig(
        units=(3,), cell_type="simple_rnn", optimizer=OptimizerConfig(name, learning_rate=0.125)
    )
    config = rnn_core.RunConfig(tf_random_seed=3)
    estimator = build_estimator(schema, model, tmp_path, config)
    estimator.train(lambda: _batches(mixed), steps=1)
    assert int(estimator.get_variable_value("global_step")) == 1
    assert (tmp_path / CHECKPOINTS).is_dir()


def test_the_network_is_as_the_config_says(schema: Schema, mixed: Prepared, tmp_path: Path) -> None:
    model = ModelConfig(units=(5, 3), cell_type="lstm")
    estimator = build_estimator(schema, model, tmp_path, rnn_core.RunConfig())
    estimator.train(lambda: _batches(mixed), steps=1)
    shapes = {
        tuple(estimator.get_variable_value(name).shape) for name in estimator.get_variable_names()
    }
    assert (5 + 3, 4 * 3) in shapes or (5, 4 * 3) in shapes
    assert any(shape[-1:] == (len(schema.labels),) for shape in shapes)


def test_convolutions_dense_layers_and_averages_are_as_the_config_says(
    schema: Schema, mixed: Prepared, tmp_path: Path
) -> None:
    model = ModelConfig(
        units=(3,),
        front_end=(ConvolutionConfig(5, 4, stride=2),),
        convolution_branch=(ConvolutionConfig(6, 3), ConvolutionConfig(7, 2)),
        hidden_units=(4,),
        optimizer=OptimizerConfig(average_momentum=0.9),
    )
    estimator = build_estimator(schema, model, tmp_path, rnn_core.RunConfig())
    estimator.train(lambda: _batches(mixed), steps=2)
    average = "/ExponentialMovingAverage"
    shapes = {
        name.removeprefix("rnn_model/"): tuple(estimator.get_variable_value(name).shape)
        for name in estimator.get_variable_names()
    }
    for suffix in ("", average):
        assert shapes[f"front_end/conv1d/kernel{suffix}"][::2] == (4, 5)
        assert shapes[f"convolution_branch/conv1d_1/kernel{suffix}"] == (2, 6, 7)
        assert shapes[f"hidden/dense/kernel{suffix}"] == (3 + 7, 4)
    weights, averages = (
        estimator.get_variable_value(f"rnn_model/logits/bias{suffix}") for suffix in ("", average)
    )
    assert not np.array_equal(weights, averages)


def test_a_stride_that_passes_over_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="stride is above kernel_steps"):
        ConvolutionConfig(5, 2, stride=3)


def test_a_model_is_loaded_again_with_its_weights_and_answers(
    small_model: Model, mixed: Prepared, tmp_path: Path
) -> None:
    copy = tmp_path / "moved"
    shutil.copytree(small_model.path, copy)
    moved = dataclasses.replace(small_model, path=str(copy))
    answers = [
        np.concatenate(
            [
                batch["probabilities"]
                for batch in load_estimator(model).predict(
                    lambda: read_batches(mixed.examples, "validation", 8).map(lambda x, y: x),
                    checkpoint_path=small_model.checkpoint,
                    yield_single_examples=False,
                )
            ]
        )
        for model in (small_model, moved)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert answers[0].shape[1] == len(load_schema(mixed.path).labels)


def test_what_was_saved_is_what_is_needed_to_build_it_again(schema: Schema, tmp_path: Path) -> None:
    model = ModelConfig(units=(5, 3), cell_type="lstm", optimizer=OptimizerConfig("ftrl", 0.25))
    save_settings(tmp_path, schema, model)
    assert load_schema(tmp_path) == schema
    kept = json.loads((tmp_path / "model.json").read_text())
    assert kept["units"] == [5, 3]
    assert kept["optimizer"]["learning_rate"] == 0.25
    found = load_estimator(Model(str(tmp_path), "", 0, "d"))
    assert found.model_dir == str(tmp_path / CHECKPOINTS)


def test_a_model_that_is_gone_is_named(tmp_path: Path) -> None:
    gone = Model(str(tmp_path / "gone"), "", 0, "d")
    with pytest.raises(NotFoundError, match=r"gone; train it again"):
        load_estimator(gone)
