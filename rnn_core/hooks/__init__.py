"""Hooks: code of the caller that runs between the steps of a run.

``Hook`` is the native kind, called between steps that run inside one graph. Hooks written for
``tf.estimator`` on TensorFlow 2.15 run too (see ``session``), one step at a time.
"""

from __future__ import annotations

from rnn_core.hooks.adapters import adapt, check_hooks, check_listeners
from rnn_core.hooks.base import Hook, HookContext
from rnn_core.hooks.checkpoint_hook import CheckpointSaverHook
from rnn_core.hooks.logging_hooks import (
    LoggingTensorHook,
    ProfilerHook,
    StepCounterHook,
    SummarySaverHook,
)
from rnn_core.hooks.stopping import FinalOpsHook, NanTensorHook, StopAtStepHook

__all__ = [
    "CheckpointSaverHook",
    "FinalOpsHook",
    "Hook",
    "HookContext",
    "LoggingTensorHook",
    "NanTensorHook",
    "ProfilerHook",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "adapt",
    "check_hooks",
    "check_listeners",
]
