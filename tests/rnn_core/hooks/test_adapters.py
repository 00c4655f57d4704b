"""From what a caller gives as hooks to hooks of this package."""

from __future__ import annotations

import pytest
import tensorflow as tf

from rnn_core import ArgumentTypeError, CheckpointSaverHook, Hook, StopAtStepHook
from rnn_core.hooks import adapt, check_hooks, check_listeners
from rnn_core.hooks.session_hooks import SessionHooks

train = tf.compat.v1.train


def test_native_hooks_stay_as_they_are() -> None:
    hook, listener = Hook(), Hook()
    assert adapt(iter([hook]), iter([listener])) == [hook, listener]
    assert adapt(None) == []


def test_all_session_hooks_and_listeners_become_one_after_the_native_ones() -> None:
    native, foreign = Hook(), train.SessionRunHook()
    first, second = adapt([foreign, native], [train.CheckpointSaverListener()])
    assert first is native
    assert isinstance(second, SessionHooks)
    assert second.next_step_due(7) == 8


def test_listeners_alone_do_not_slow_a_training_down() -> None:
    (listeners,) = adapt(None, [train.CheckpointSaverListener()])
    assert listeners.next_step_due(7) is None


def test_listeners_of_a_saver_hook_listen() -> None:
    native = Hook()
    saver = CheckpointSaverHook("somewhere", save_steps=1, listeners=[native])
    assert adapt([saver]) == [saver, native]


def test_hooks_and_listeners_are_told_apart() -> None:
    hook, listener = train.SessionRunHook(), train.CheckpointSaverListener()
    assert check_hooks([hook]) == (hook,)
    assert check_listeners([listener]) == (listener,)
    with pytest.raises(ArgumentTypeError, match="hooks: expected instances"):
        check_hooks([listener])
    with pytest.raises(ArgumentTypeError, match="saving_listeners: expected instances"):
        check_listeners([hook])


def test_a_hook_without_a_list_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="hooks: expected a list"):
        check_hooks(StopAtStepHook(1))  # type: ignore[arg-type]
