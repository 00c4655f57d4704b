"""``SessionRunHook`` and ``CheckpointSaverListener`` without a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import tensorflow as tf

from rnn_core.errors import UnsupportedError
from rnn_core.hooks.base import Hook, HookContext
from rnn_core.hooks.stand_in_graph import StandInGraph

_train: Final = tf.compat.v1.train

_NOTHING: Final = ()
"""The fetches of a hook that fetches nothing."""

_NEEDS_SESSION: Final[Mapping[type, str]] = {
    _train.CheckpointSaverHook: "RunConfig.save_checkpoints_steps or rnn_core.CheckpointSaverHook",
    _train.FeedFnHook: "input_fn",
    _train.GlobalStepWaiterHook: "nothing: one process trains, and has no step to wait for",
    _train.ProfilerHook: "rnn_core.ProfilerHook",
}
"""The hooks of TensorFlow that work on a session itself, each with what to use."""


class _NoSessionError(UnsupportedError, AttributeError):
    """An attribute of a session; for ``hasattr`` it does not exist."""


class SessionStandIn:
    """What hooks get as ``session``: ``run`` finds values by name, and there is nothing else."""

    def __init__(self, stand_in: StandInGraph, context: HookContext) -> None:
        self._stand_in, self._context = stand_in, context

    @property
    def graph(self) -> tf.Graph:
        """The graph that the hooks were begun in."""
        return self._stand_in.graph

    def run(
        self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """Values as they are now, in the structure of ``fetches``; the loss is that of the last
        batch.

        Raises:
            UnsupportedError: a fetch or a key of ``feed_dict`` does not exist here, or ``options``
                or ``run_metadata`` is given.
        """
        _refuse_options(options, run_metadata)
        elements = [self._stand_in.element(one) for one in tf.nest.flatten(fetches)]
        fed = {self._stand_in.element(key): value for key, value in (feed_dict or {}).items()}
        given = {self._stand_in.loss: self._context.loss, **fed}
        return tf.nest.pack_sequence_as(fetches, self._stand_in.values(elements, given))

    def __getattr__(self, name: str) -> Any:
        raise _NoSessionError(
            f"session.{name}: there is no session. session.run(fetches) gives the loss, the global "
            "step and variables; for anything else write a subclass of rnn_core.Hook, whose "
            "context has the live variables."
        )


class SessionHooks(Hook):
    """Calls session hooks, and checkpoint listeners, as a session of 2.15 would.

    Raises:
        UnsupportedError: one of them cannot do without a session.
    """

    def __init__(self, hooks: Sequence[Any], listeners: Sequence[Any]) -> None:
        for hook in hooks:
            for kind, instead in _NEEDS_SESSION.items():
                if isinstance(hook, kind):
                    raise UnsupportedError(
                        f"hooks: tf.compat.v1.train.{kind.__name__} works on a session, and there "
                        f"is none; use {instead}."
                    )
        self._hooks, self._listeners = list(hooks), list(listeners)
        self._coordinator = tf.train.Coordinator()
        self._created = False

    def next_step_due(self, step: int) -> int | None:
        """The next step if there are session hooks; listeners are called at checkpoints only."""
        return step + 1 if self._hooks else None

    def begin(self, context: HookContext) -> None:
        """Builds the stand-in graph; notifies listeners of a restored checkpoint, which 2.15 saved
        again.
        """
        self._stand_in = StandInGraph(context.variables)
        self._session: Any = SessionStandIn(self._stand_in, context)
        with self._stand_in.graph.as_default():
            for one in (*self._listeners, *self._hooks):
                one.begin()
        self._stand_in.finish()
        if context.checkpoint_path is not None:
            self.before_save(context)
            self.after_save(context, context.checkpoint_path)

    def before_steps(self, context: HookContext) -> None:
        """``before_run``; fetches that do not need the loss are evaluated before the step."""
        self._create(context)
        requested = tf.compat.v1.train.SessionRunArgs([self._stand_in.loss])
        self._run = _train.SessionRunContext(requested, self._session)
        with self._stand_in.graph.as_default():
            asked = [hook.before_run(self._run) for hook in self._hooks]
        self._fetches = _Fetches(self._stand_in, [_checked(one) for one in asked])

    def after_steps(self, context: HookContext) -> None:
        """``after_run`` with the values."""
        values = self._fetches.values(context.loss)
        with self._stand_in.graph.as_default():
            for hook, one in zip(self._hooks, values, strict=True):
                hook.after_run(self._run, _train.SessionRunValues(one, None, None))
        if self._run.stop_requested or self._coordinator.should_stop():
            context.request_stop()

    def before_save(self, context: HookContext) -> None:
        """``before_save`` of the listeners."""
        with self._stand_in.graph.as_default():
            for listener in self._listeners:
                listener.before_save(self._session, context.global_step)

    def after_save(self, context: HookContext, checkpoint_path: str) -> None:
        """``after_save`` of the listeners, each of which may end the training."""
        with self._stand_in.graph.as_default():
            for listener in self._listeners:
                if listener.after_save(self._session, context.global_step):
                    context.request_stop()

    def end(self, context: HookContext) -> None:
        """``end`` of the listeners, then of the hooks."""
        self._create(context)
        with self._stand_in.graph.as_default():
            for listener in self._listeners:
                listener.end(self._session, context.global_step)
            for hook in self._hooks:
                hook.end(self._session)

    def _create(self, context: HookContext) -> None:
        """``after_create_session``, once, and after the first checkpoint is saved, as in 2.15."""
        # Also from end(): a training that has no step left creates its session all the same.
        if self._created:
            return
        self._created = True
        with self._stand_in.graph.as_default():
            for hook in self._hooks:
                hook.after_create_session(self._session, self._coordinator)
        if self._coordinator.should_stop():
            context.request_stop()


class _Fetches:
    """The fetches of all session hooks for one step."""

    def __init__(self, stand_in: StandInGraph, structures: Sequence[Any]) -> None:
        self._stand_in, self._structures = stand_in, list(structures)
        # A hook gets the values from before the step with the loss of the step, as in 2.15: what is
        # computed from the loss waits for it, and all else is read now.
        self._elements = [stand_in.element(one) for one in tf.nest.flatten(self._structures)]
        self._late = [stand_in.needs_loss(one) for one in self._elements]
        self._early_values = iter(stand_in.values(self._chosen(False), {}))

    def values(self, loss: float) -> list[Any]:
        """The structures with values."""
        late = iter(self._stand_in.values(self._chosen(True), {self._stand_in.loss: loss}))
        flat = [next(late if is_late else self._early_values) for is_late in self._late]
        packed = tf.nest.pack_sequence_as(self._structures, flat)
        return [None if one is _NOTHING else one for one in packed]

    def _chosen(self, late: bool) -> list[Any]:
        pairs = zip(self._elements, self._late, strict=True)
        return [element for element, is_late in pairs if is_late is late]


def _checked(requested: Any) -> Any:
    """The fetches of a ``SessionRunArgs``; ``_NOTHING`` if there are none."""
    if requested is None:
        return _NOTHING
    if not isinstance(requested, _train.SessionRunArgs):
        raise UnsupportedError(
            f"before_run: expected SessionRunArgs or None, got {type(requested).__name__}."
        )
    if requested.feed_dict:
        raise UnsupportedError(
            f"before_run: feed_dict={requested.feed_dict!r}: a training step takes its batch from "
            "the dataset and has no placeholders. Give values through input_fn."
        )
    _refuse_options(requested.options, None)
    return _NOTHING if requested.fetches is None else requested.fetches


def _refuse_options(options: Any, run_metadata: Any) -> None:
    if options is not None or run_metadata is not None:
        raise UnsupportedError(
            f"options={options!r}, run_metadata={run_metadata!r}: no session is run that could "
            "take them. To trace steps use rnn_core.ProfilerHook."
        )
