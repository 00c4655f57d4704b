"""What a model function may take."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from rnn_core import Estimator, EstimatorSpec, ModeKeys, ModelFnError, RunConfig
from rnn_core.models.model_fn import call_model_fn, check_model_fn

CONFIG = RunConfig()
SPEC = EstimatorSpec(ModeKeys.EVAL, loss=tf.constant(1.0))


@pytest.mark.parametrize(
    ("model_fn", "params", "message"),
    [
        ("model", None, "expected a function"),
        (lambda labels, mode: SPEC, None, "takes features"),
        (lambda features, labels, extra: SPEC, None, "got extra, features, labels"),
        (lambda features: SPEC, {"rate": 1}, "params are given"),
    ],
)
def test_a_function_that_cannot_be_called_is_named(
    model_fn: Any, params: Any, message: str
) -> None:
    with pytest.raises(ModelFnError, match=message):
        check_model_fn(model_fn, params)


def test_a_function_gets_the_arguments_that_it_names() -> None:
    seen: dict[str, Any] = {}

    def model_fn(features: Any, mode: str, params: Any, config: Any) -> EstimatorSpec:
        seen.update(features=features, mode=mode, params=params, config=config)
        return SPEC

    assert call_model_fn(model_fn, 1, None, ModeKeys.EVAL, {"a": 2}, CONFIG) is SPEC
    assert seen == {"features": 1, "mode": "eval", "params": {"a": 2}, "config": CONFIG}


def test_labels_that_nobody_takes_are_named() -> None:
    with pytest.raises(ModelFnError, match="takes no labels"):
        call_model_fn(lambda features: SPEC, 1, 2, ModeKeys.EVAL, {}, CONFIG)


def test_a_result_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelFnError, match="expected an EstimatorSpec"):
        call_model_fn(lambda features: 3, 1, None, ModeKeys.EVAL, {}, CONFIG)  # type: ignore[arg-type,return-value]


def with_size(size: int, features: Any, labels: Any, mode: str, params: Any = None) -> Any:
    assert (size, mode) == (3, ModeKeys.EVAL)
    return EstimatorSpec(mode, loss=tf.constant(float(features + labels)))


def with_keyword(features: Any, labels: Any, mode: str, *, size: int = 3) -> Any:
    return with_size(size, features, labels, mode)


def other_order(labels: Any, mode: str, features: Any) -> Any:
    return with_size(3, features, labels, mode)


@pytest.mark.parametrize(
    "model_fn",
    [
        functools.partial(with_size, 3),
        functools.partial(with_size, size=3),
        functools.partial(with_size, size=3, mode=ModeKeys.EVAL),
        with_keyword,
        other_order,
    ],
)
def test_a_function_may_have_arguments_bound(model_fn: Any) -> None:
    check_model_fn(model_fn, None)
    assert call_model_fn(model_fn, 1, 2, ModeKeys.EVAL, {}, CONFIG).loss == 3


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ({"size": 3, "features": 1}, "features to be left to each call"),
        ({"size": 3, "params": {}}, "params are given to the Estimator and bound"),
    ],
)
def test_values_that_are_given_twice_are_refused(bound: Any, message: str) -> None:
    with pytest.raises(ModelFnError, match=message):
        check_model_fn(functools.partial(with_size, **bound), {"rate": 1})


def test_labels_that_are_bound_and_given_are_refused() -> None:
    bound = functools.partial(with_size, size=3, labels=2)
    assert call_model_fn(bound, 1, None, ModeKeys.EVAL, {}, CONFIG).loss == 3
    with pytest.raises(ModelFnError, match="labels are bound"):
        call_model_fn(bound, 1, 2, ModeKeys.EVAL, {}, CONFIG)


class Settings(dict[str, Any]):
    """Settings that are read as attributes, too."""

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(name)
        return self[name]


def test_params_keep_their_kind_and_each_call_gets_its_own(tmp_path: Path) -> None:
    def model_fn(features: Any, labels: Any, mode: str, params: Settings) -> EstimatorSpec:
        loss = tf.constant(float(params.rate))
        params.pop("rate")
        return EstimatorSpec(mode, loss=loss)

    estimator = Estimator(model_fn, tmp_path, params=Settings(rate=2))
    assert isinstance(estimator.params, Settings)
    seen = []

    def input_fn(params: Settings) -> tf.data.Dataset:
        seen.append(params.rate)
        return tf.data.Dataset.from_tensors(({"x": [1.0]}, [0.0]))

    for _ in range(2):
        assert estimator.evaluate(input_fn)["loss"] == 2
    assert seen == [2, 2]
