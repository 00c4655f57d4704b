"""RunConfig: the model directory, when to log and save, the random seed, and the cluster."""

from __future__ import annotations

import copy
import dataclasses
import logging
import os
from collections.abc import Iterable
from typing import Any, Final, Self, get_args

from rnn_core.checks import check_count, check_steps, plain
from rnn_core.config.cluster import Cluster, read_cluster
from rnn_core.config.strategy_kinds import check_strategy, is_in_step
from rnn_core.errors import ArgumentError, UnsupportedError
from rnn_core.names import InputCheckpoint

logger = logging.getLogger("rnn_core")


class _UseDefault:
    """Stands for "not given" where ``None`` has a meaning of its own."""

    def __repr__(self) -> str:
        return "USE_DEFAULT"


USE_DEFAULT: Final[Any] = _UseDefault()
_DEFAULT_SAVE_SECONDS: Final = 600
"""As in 2.15."""
_NEVER_IF_ZERO: Final = (
    "save_summary_steps",
    "save_checkpoints_steps",
    "save_checkpoints_secs",
    "log_step_count_steps",
)
"""Periods of which 0 means the same as None."""
_IN_STEPS: Final = ("save_summary_steps", "save_checkpoints_steps", "log_step_count_steps")

_WITHOUT_EFFECT: Final = {
    "session_config": "there is no session; tf.config.threading sets the numbers of threads",
    "device_fn": "a strategy places variables; choose devices with tf.config.set_visible_devices",
    "protocol": "the strategy's cluster resolver chooses it",
    "experimental_max_worker_delay_secs": "workers start together",
}
"""Settings that are accepted and have no effect, with the reason or a replacement."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Settings of a run, with the names, the order and the defaults of ``tf.estimator.RunConfig``.

    Checkpoints are saved every ``save_checkpoints_steps`` steps or every ``save_checkpoints_secs``
    seconds (600 if neither is given; both ``None``: only at the end). ``tf_random_seed=None`` takes
    fresh entropy; a seed repeats a training to the bit on one machine's CPUs, without
    ``enable_op_determinism``, if the input repeats: operations of an ``input_fn`` without a seed of
    their own, such as a ``shuffle``, get theirs from it, unless ``tf.random.set_seed`` was called.
    ``keep_checkpoint_max`` of 0 or ``None`` keeps all checkpoints; 0 for another number of steps or
    seconds means never, as ``None`` does.

    ``train_distribute`` is a strategy that keeps replicas in step (``MirroredStrategy``,
    ``MultiWorkerMirroredStrategy``) or a ``ParameterServerStrategy``; a cluster with parameter
    servers in ``TF_CONFIG`` needs none. ``OneDeviceStrategy`` runs on its device, and the default
    strategy is the same as None. Its workers share an evaluation too, unless
    ``eval_distribute`` is another. ``experimental_distribute`` is anything with these two as
    attributes. The attributes from ``cluster_spec`` on describe this process, from
    ``TF_CONFIG``.

    ``input_checkpoint`` says how a training that was killed finds its position in the input:

    - ``"auto"``: by the state of the iterator if that is exact and at most 1 MiB, else by a count.
    - ``"iterator"``: by the state of the iterator, which holds the rows of each ``shuffle`` and
      ``cache`` and may be as large as the data, in each checkpoint.
    - ``"count"``: by the number of batches read: a restart reads so many again, and skips them.
    - ``"none"``: not at all, as in 2.15: the input is read from its start.

    ``session_config``, ``device_fn``, ``protocol`` and ``experimental_max_worker_delay_secs`` do
    nothing, with a warning; nor does ``checkpoint_save_graph_def``, as there is no graph to save.

    Raises:
        ArgumentError: both ways of saving are given, a value is out of its range, or ``TF_CONFIG``
            is not consistent.
        UnsupportedError: a strategy is of another kind.
    """

    model_dir: str | None = None
    """A ``os.PathLike`` becomes its string."""
    tf_random_seed: int | None = None
    save_summary_steps: int | None = 100
    save_checkpoints_steps: int | None = USE_DEFAULT
    save_checkpoints_secs: float | None = USE_DEFAULT
    session_config: Any = None
    keep_checkpoint_max: int | None = 5
    # As in 2.15: more than a year, and so in effect never.
    keep_checkpoint_every_n_hours: float = 10000
    log_step_count_steps: int | None = 100
    train_distribute: Any = None
    device_fn: Any = None
    protocol: str | None = None
    eval_distribute: Any = None
    experimental_distribute: Any = None
    experimental_max_worker_delay_secs: int | None = None
    # Two hours, as in 2.15: a cluster may have to wait for machines.
    session_creation_timeout_secs: float = 7200
    """How long to wait for parameter servers and workers at the start."""
    checkpoint_save_graph_def: bool = True
    # Not in 2.15. It must exceed the longest time that a healthy worker keeps the others waiting.
    worker_timeout_secs: float = dataclasses.field(default=600, kw_only=True)
    """How long a worker waits for the others at a step; then the training ends with an error."""

    input_checkpoint: InputCheckpoint = dataclasses.field(default="auto", kw_only=True)
    """How a checkpoint holds the position in the training's input, from which a restart goes on."""

    cluster_spec: Any = dataclasses.field(init=False)
    """A ``tf.train.ClusterSpec``, empty for one process."""
    task_type: str = dataclasses.field(init=False)
    task_id: int = dataclasses.field(init=False)
    is_chief: bool = dataclasses.field(init=False)
    """Whether this process writes checkpoints and event files."""
    master: str = dataclasses.field(init=False)
    evaluation_master: str = dataclasses.field(init=False)
    num_ps_replicas: int = dataclasses.field(init=False)
    num_worker_replicas: int = dataclasses.field(init=False)
    """Workers in all, the chief included."""
    global_id_in_cluster: int | None = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self._complete(_WITHOUT_EFFECT)

    def _complete(self, given: Iterable[str]) -> None:
        """Checks and normalizes the settings; warns of those of ``given`` that do nothing."""
        for field in dataclasses.fields(self):
            if field.init:
                object.__setattr__(self, field.name, plain(getattr(self, field.name)))
        # First, as it replaces USE_DEFAULT, which the other checks do not know.
        self._check_saving()
        self._check_values()
        self._take_strategies()
        self._take_cluster(read_cluster(is_in_step(self.train_distribute)))
        # Last: for the checks above, a 0 that was given is not the same as None.
        for name in (*_NEVER_IF_ZERO, "model_dir"):
            object.__setattr__(self, name, _normal(getattr(self, name)))
        for name in given:
            if name in _WITHOUT_EFFECT and getattr(self, name) is not None:
                instead = _WITHOUT_EFFECT[name]
                logger.warning("RunConfig.%s has no effect: %s.", name, instead)

    def _check_values(self) -> None:
        for name in (*_NEVER_IF_ZERO, "keep_checkpoint_max", "keep_checkpoint_every_n_hours"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ArgumentError(f"RunConfig.{name}: expected at least 0 or None, got {value}.")
        for name in _IN_STEPS:
            steps = check_steps(getattr(self, name), 0, f"RunConfig.{name}")
            object.__setattr__(self, name, steps)
        if self.keep_checkpoint_max is not None:
            check_count(self.keep_checkpoint_max, 0, "RunConfig.keep_checkpoint_max")
        if self.tf_random_seed is not None and not isinstance(self.tf_random_seed, int):
            raise ArgumentError(
                f"RunConfig.tf_random_seed: expected a whole number, got {self.tf_random_seed!r}."
            )
        ways = get_args(InputCheckpoint)
        if self.input_checkpoint not in ways:
            raise ArgumentError(
                f"RunConfig.input_checkpoint: expected one of {', '.join(ways)}, got "
                f"{self.input_checkpoint!r}."
            )
        if self.model_dir is not None and not os.fspath(self.model_dir):
            raise ArgumentError("RunConfig.model_dir: expected a path or None, got ''.")
        for name in ("worker_timeout_secs", "session_creation_timeout_secs"):
            if getattr(self, name) <= 0:
                raise ArgumentError(
                    f"RunConfig.{name}: expected more than 0 seconds, got {getattr(self, name)}."
                )

    def _take_strategies(self) -> None:
        """Those of ``experimental_distribute`` are moved to their own names."""
        given = self.experimental_distribute
        if given is not None and not hasattr(given, "train_distribute"):
            raise UnsupportedError(
                "RunConfig.experimental_distribute: expected the attributes train_distribute and "
                f"eval_distribute, got {given!r}."
            )
        if getattr(given, "remote_cluster", None):
            raise UnsupportedError(
                "RunConfig: experimental_distribute.remote_cluster is not supported; start the "
                "same program in each task of the cluster, with TF_CONFIG."
            )
        for name in ("train_distribute", "eval_distribute"):
            other = getattr(given, name, None)
            own = getattr(self, name)
            if other is not None and own not in (None, other):
                raise ArgumentError(
                    f"RunConfig: {name} is given twice, also in experimental_distribute; drop one."
                )
            strategy = check_strategy(own if other is None else other, f"RunConfig.{name}")
            object.__setattr__(self, name, strategy)

    def _take_cluster(self, cluster: Cluster) -> None:
        taken = vars(cluster) | {"cluster_spec": cluster.spec}
        del taken["spec"]
        model_dir = taken.pop("model_dir")
        if model_dir is not None and _normal(self.model_dir) not in (None, model_dir):
            raise ArgumentError(
                f"RunConfig.model_dir: got {self.model_dir}, but TF_CONFIG has {model_dir}; drop "
                "one."
            )
        for name, value in taken.items():
            # A subclass may say for itself what it is in a cluster.
            if not isinstance(getattr(type(self), name, None), property):
                object.__setattr__(self, name, value)
        object.__setattr__(self, "model_dir", self.model_dir or model_dir)

    def _check_saving(self) -> None:
        given = [
            value is not USE_DEFAULT and value is not None
            for value in (self.save_checkpoints_steps, self.save_checkpoints_secs)
        ]
        if all(given):
            raise ArgumentError(
                "RunConfig: expected one of save_checkpoints_steps and save_checkpoints_secs, got "
                f"{self.save_checkpoints_steps} and {self.save_checkpoints_secs}; drop one."
            )
        untouched = (
            self.save_checkpoints_steps is USE_DEFAULT and self.save_checkpoints_secs is USE_DEFAULT
        )
        seconds = _DEFAULT_SAVE_SECONDS if untouched else self.save_checkpoints_secs
        object.__setattr__(self, "save_checkpoints_secs", _none_if_default(seconds))
        steps = _none_if_default(self.save_checkpoints_steps)
        object.__setattr__(self, "save_checkpoints_steps", steps)

    def replace(self, **changes: Any) -> Self:
        """A copy with ``changes``; giving one way of saving drops the other.

        All else is kept: what a subclass has added to its instances, too.

        Raises:
            ArgumentError: there is no such setting, or a value is not legal.
        """
        # The old value of the other one would count as given, and so as a contradiction.
        if changes.get("save_checkpoints_steps") is not None:
            changes.setdefault("save_checkpoints_secs", None)
        elif changes.get("save_checkpoints_secs") is not None:
            changes.setdefault("save_checkpoints_steps", None)
        settings = {field.name for field in dataclasses.fields(self) if field.init}
        unknown = sorted(set(changes) - settings)
        if unknown:
            raise ArgumentError(f"RunConfig.replace: there is no {', '.join(unknown)}.")
        # Not by the constructor: a subclass may have one with other arguments.
        new = copy.copy(self)
        for name, value in changes.items():
            object.__setattr__(new, name, value)
        new._complete(changes)
        return new


def cluster_of(config: RunConfig) -> Cluster:
    """The tasks of the cluster that ``config`` describes, and which of them this process is."""
    names = [field.name for field in dataclasses.fields(Cluster) if field.name != "spec"]
    return Cluster(config.cluster_spec, **{name: getattr(config, name) for name in names})


def _none_if_default(value: Any) -> Any:
    return None if value is USE_DEFAULT else value


def _normal(value: Any) -> Any:
    """0 as None, a path as its string."""
    # For model_dir an empty string has been refused before.
    return os.fspath(value) if isinstance(value, os.PathLike) else value or None
