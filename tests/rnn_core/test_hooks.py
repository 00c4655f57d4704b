"""The base class of hooks."""

from __future__ import annotations

import math

from rnn_core import Hook, HookContext


def test_a_hook_that_overrides_nothing_does_nothing() -> None:
    context, hook = HookContext(), Hook()
    hook.begin(context)
    hook.after_steps(context)
    hook.after_save(context, "model.ckpt-1")
    hook.end(context)
    assert not context.stop_requested


def test_a_context_before_the_first_step_has_no_loss() -> None:
    assert math.isnan(HookContext().loss)


def test_a_requested_stop_is_remembered() -> None:
    context = HookContext()
    context.request_stop()
    assert context.stop_requested
