"""Converts hooks and listeners of a caller to hooks of this package."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rnn_core.errors import ArgumentTypeError
from rnn_core.hooks.base import Hook
from rnn_core.hooks.checkpoint_hook import CheckpointSaverHook
from rnn_core.hooks.session_hooks import SessionHooks


def adapt(hooks: Iterable[Any] | None, listeners: Iterable[Any] | None = None) -> list[Hook]:
    """Native hooks as they are, and one hook for all session hooks and checkpoint listeners.

    Raises:
        ArgumentTypeError: one is of neither kind.
        UnsupportedError: a session hook cannot do without a session.
    """
    given = check_hooks(hooks)
    savers = [hook for hook in given if isinstance(hook, CheckpointSaverHook)]
    listening = check_listeners([*(listeners or ()), *(o for s in savers for o in s.listeners)])
    native = [one for one in (*given, *listening) if isinstance(one, Hook)]
    foreign = [one for one in given if not isinstance(one, Hook)]
    foreign_listeners = [one for one in listening if not isinstance(one, Hook)]
    # One hook for all of these, as they share a graph and a session. A session hook has to be
    # called at every step; without any, a graph call runs more steps.
    if not foreign and not foreign_listeners:
        return native
    return [*native, SessionHooks(foreign, foreign_listeners)]


def check_hooks(hooks: Iterable[Any] | None) -> tuple[Any, ...]:
    """``hooks`` as a tuple. Raises ArgumentTypeError if one is no hook."""
    return _checked("hooks", hooks, "SessionRunHook", tf.compat.v1.train.SessionRunHook)


def check_listeners(listeners: Iterable[Any] | None) -> tuple[Any, ...]:
    """``saving_listeners`` as a tuple. Raises ArgumentTypeError if one is no listener."""
    kind = tf.compat.v1.train.CheckpointSaverListener
    return _checked("saving_listeners", listeners, "CheckpointSaverListener", kind)


def _checked(
    argument: str, given: Iterable[Any] | None, kind_name: str, kind: type
) -> tuple[Any, ...]:
    if given is not None and not isinstance(given, Iterable):
        raise ArgumentTypeError(f"{argument}: expected a list, got {given!r}.")
    ones = tuple(given or ())
    for one in ones:
        if not isinstance(one, (Hook, kind)):
            raise ArgumentTypeError(
                f"{argument}: expected instances of rnn_core.Hook or of "
                f"tf.compat.v1.train.{kind_name}, got {one!r}."
            )
    return ones
