"""What the functions of a user are called with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from rnn_core import ArgumentTypeError
from rnn_core.callables import arguments_of, call, check

OFFERED = {"mode": "train", "params": {"a": 1}}


def named(mode: Any = None, params: Any = None, size: Any = 7) -> Any:
    return mode, params, size


class Object:
    def __call__(self, params: Any) -> Any:
        return params

    def method(self, mode: Any, size: Any = 3) -> Any:
        return mode, size

    @classmethod
    def of_class(cls, mode: Any) -> Any:
        return mode

    @staticmethod
    def static(mode: Any) -> Any:
        return mode


def passed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def settled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper that has the arguments settled, and takes none."""

    @functools.wraps(function)
    def wrapper() -> Any:
        return function(mode="mine", params=None)

    return wrapper


def keyword_only(*, mode: Any, params: Any = None, size: Any = 7) -> Any:
    return mode, params, size


def own_default(*, mode: Any = "mine", params: Any = None) -> Any:
    return mode, params


def any_names(params: Any, **more: Any) -> Any:
    return params, more


def by_position(mode: Any, /, params: Any = None) -> Any:
    return mode, params


def size_first(size: Any, mode: Any, params: Any) -> Any:
    return size, mode, params


PARAMS = {"a": 1}


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (named, ("train", PARAMS, 7)),
        (functools.partial(named, params=2), ("train", 2, 7)),
        (functools.partial(named, params=None, mode=None), (None, None, 7)),
        (functools.partial(named, "mine"), ("mine", PARAMS, 7)),
        (functools.partial(functools.partial(named, mode=1), params=2), (1, 2, 7)),
        (functools.partial(functools.partial(named, mode=1), mode=2), (2, PARAMS, 7)),
        (functools.partial(named, mode=1, size=0), (1, PARAMS, 0)),
        (functools.partial(size_first, size=0), (0, "train", PARAMS)),
        (functools.partial(size_first, 0), (0, "train", PARAMS)),
        (keyword_only, ("train", PARAMS, 7)),
        (own_default, ("mine", PARAMS)),
        (any_names, (PARAMS, {})),
        (functools.partial(any_names, mode=1), (PARAMS, {"mode": 1})),
        (by_position, ("train", PARAMS)),
        (Object(), PARAMS),
        (Object().method, ("train", 3)),
        (functools.partial(Object().method, size=4), ("train", 4)),
        (Object.of_class, "train"),
        (Object.static, "train"),
        (passed_on(named), ("train", PARAMS, 7)),
        (passed_on(passed_on(named)), ("train", PARAMS, 7)),
        (passed_on(functools.partial(named, mode=1)), (1, PARAMS, 7)),
        (functools.partial(passed_on(named), mode=1), (1, PARAMS, 7)),
        (settled(named), ("mine", None, 7)),
        (functools.lru_cache(lambda mode: mode), "train"),
        (lambda: "nothing", "nothing"),
        (lambda *args, **kwargs: (args, kwargs), ((), {})),
        (dict, {}),
    ],
)
def test_a_function_gets_what_it_names_and_has_not_bound(function: Any, result: Any) -> None:
    check("input_fn", function, OFFERED)
    assert call(function, OFFERED) == result


def test_a_class_gets_what_its_constructor_names() -> None:
    class Holder:
        def __init__(self, mode: str) -> None:
            self.mode = mode

    assert call(Holder, OFFERED).mode == "train"


def test_a_tf_function_gets_what_its_python_function_names() -> None:
    function = tf.function(lambda mode, size=2.0: tf.constant(size))
    assert arguments_of(function).names == ("mode", "size")
    assert call(function, OFFERED).numpy() == 2
    bound = functools.partial(function, mode=1, size=3.0)
    assert call(bound, OFFERED).numpy() == 3

    class Holder:
        @tf.function
        def method(self, mode: Any) -> tf.Tensor:
            return tf.constant(4)

    assert call(Holder().method, OFFERED).numpy() == 4


def test_a_function_without_autograph_is_asked_for_its_own_arguments() -> None:
    function = tf.autograph.experimental.do_not_convert(named)
    assert call(function, OFFERED) == ("train", PARAMS, 7)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (3, "input_fn: expected a function that takes mode, got 3"),
        (size_first, "needs size. Bind it with functools.partial"),
        (functools.partial(named, "mine"), "expected mode to be left to each call"),
        (functools.partial(named, mode=1), "expected mode to be left to each call"),
        (lambda params: params, r"takes mode, got one of \(params\)"),
        (any_names, r"takes mode, got one of \(params\)"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_by_name(function: Any, message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        check("input_fn", function, OFFERED, needed=("mode",))
