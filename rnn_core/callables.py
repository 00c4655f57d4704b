"""Which arguments a function of the user takes, and calling it with those alone.

The functions of a caller (``input_fn``, ``model_fn``, ``compare_fn``, ``loss_fn``, ``metric_fn``)
are given values by name, each only the ones that it names. What the user has bound is kept, as on
TensorFlow 2.15:

- a value that ``functools.partial`` binds, by position or by name, stays;
- a keyword-only argument with a default other than None keeps the default;
- ``**kwargs`` gets nothing by itself. If the function is a decorator's wrapper (it has
  ``__wrapped__``), it gets what the wrapped function names.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from rnn_core.errors import ArgumentTypeError, RnnCoreError

_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The arguments of a callable, by what a caller may do with them."""

    names: tuple[str, ...] = ()
    """Those that may be given a value, in their order."""
    required: frozenset[str] = frozenset()
    """Those that have no value unless the caller gives one."""
    bound: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Those that ``functools.partial`` has bound, with their values."""
    positional_only: tuple[str, ...] = ()
    """Those of ``names`` that cannot be given by name; the first ones."""


def arguments_of(function: Callable[..., Any]) -> Arguments:
    """The arguments of a function, a method, a class, an object with ``__call__``, a
    ``tf.function``, or a ``functools.partial`` of any of these."""
    if isinstance(function, functools.partial):
        return _bind(arguments_of(function.func), function.args, function.keywords)
    wrapped = getattr(function, "__wrapped__", None)
    try:
        # A wrapper is asked for its own arguments: those are what it can be called with.
        parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    except (TypeError, ValueError):
        # Builtins have no signature; functools.lru_cache makes wrappers without one.
        return Arguments() if wrapped is None else arguments_of(wrapped)
    own = _own(list(parameters))
    takes_any_name = any(one.kind is one.VAR_KEYWORD for one in parameters)
    if wrapped is None or not takes_any_name:
        return own
    inner = arguments_of(wrapped)
    more = [name for name in inner.names if name not in own.names]
    more = [name for name in more if name not in inner.positional_only]
    return dataclasses.replace(
        own,
        names=(*own.names, *more),
        required=own.required | (inner.required & {*more}),
        bound={**inner.bound, **own.bound},
    )


def _own(parameters: Collection[inspect.Parameter]) -> Arguments:
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    free = [
        one for one in named if one.kind is not one.KEYWORD_ONLY or one.default in (None, one.empty)
    ]
    return Arguments(
        names=tuple(one.name for one in free),
        required=frozenset(one.name for one in free if one.default is one.empty),
        positional_only=tuple(one.name for one in free if one.kind is one.POSITIONAL_ONLY),
    )


def _bind(inner: Arguments, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Arguments:
    """``inner`` without what a partial has bound."""
    bound = dict(zip(inner.names, args, strict=False)) | dict(keywords)
    return Arguments(
        names=tuple(name for name in inner.names if name not in bound),
        required=inner.required - bound.keys(),
        bound={**inner.bound, **bound},
        positional_only=tuple(name for name in inner.positional_only if name not in bound),
    )


def call(function: Callable[..., _Result], offered: Mapping[str, Any]) -> _Result:
    """Calls ``function`` with those of the offered values whose names it takes."""
    arguments = arguments_of(function)
    taken = {name: value for name, value in offered.items() if name in arguments.names}
    first = itertools.takewhile(lambda name: name in taken, arguments.positional_only)
    by_position = [taken.pop(name) for name in first]
    by_name = {n: value for n, value in taken.items() if n not in arguments.positional_only}
    return function(*by_position, **by_name)


def check(
    owner: str,
    function: Any,
    offered: Collection[str],
    needed: Collection[str] = (),
    error: type[RnnCoreError] = ArgumentTypeError,
) -> Arguments:
    """The arguments of ``function``, which is to be called with what it takes of ``offered``.

    Args:
        owner: the name of the argument that ``function`` was given as, for messages.
        function: what the user gave.
        offered: the names of the values that there are.
        needed: those of ``offered`` that it must take.
        error: what is raised.

    Raises:
        RnnCoreError: as ``error``: it is not callable, does not take what is needed or has it bound
            already, or requires something that nothing gives it.
    """
    kind = f"a function that takes {' and '.join(needed)}" if needed else "a function"
    if not callable(function):
        raise error(f"{owner}: expected {kind}, got {function!r}.")
    arguments = arguments_of(function)
    bound = [name for name in needed if name in arguments.bound]
    if bound:
        raise error(
            f"{owner}: expected {', '.join(bound)} to be left to each call, got a function that "
            "has it bound already. Take it out of functools.partial."
        )
    missing = [name for name in needed if name not in arguments.names]
    unknown = [name for name in arguments.names if name in arguments.required - {*offered}]
    if missing:
        raise error(f"{owner}: expected {kind}, got one of ({', '.join(arguments.names)}).")
    if unknown:
        raise error(
            f"{owner}: expected a function that needs no more than "
            f"{' and '.join(offered) or 'no arguments'}, got one that needs {', '.join(unknown)}. "
            f"Bind it with functools.partial, or give it a default."
        )
    return arguments
