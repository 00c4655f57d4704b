"""Estimator: arguments checked, then the plain functions of this package."""

from __future__ import annotations

import copy
import logging
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Self, overload

from rnn_core.config.cluster import EVALUATOR
from rnn_core.config.run_config import RunConfig
from rnn_core.config.strategy_kinds import is_in_step
from rnn_core.distribution.replicas import OneReplica, Replicas, replicas_of
from rnn_core.distribution.strategies import device_of
from rnn_core.errors import ArgumentError, CheckpointError
from rnn_core.estimators.arguments import check_lengths
from rnn_core.export.methods import ExportMethods
from rnn_core.graph.eager import eagerly, eagerly_generated
from rnn_core.hooks import adapt
from rnn_core.hooks.batch_hooks import BatchHooks
from rnn_core.loops import evaluation, prediction, training
from rnn_core.loops.inference_model import InferenceModel
from rnn_core.loops.input_fn import call_input_fn
from rnn_core.loops.parameter_servers import ServedModel, Servers, is_served
from rnn_core.loops.trainable_model import TrainableModel
from rnn_core.loops.training import Plan
from rnn_core.models.estimator_spec import EstimatorSpec
from rnn_core.models.model import Model
from rnn_core.models.model_fn import ModelFn, call_model_fn, check_model_fn
from rnn_core.models.model_fn_model import ModelFnModel
from rnn_core.storage import checkpoints, warm_start
from rnn_core.storage.files import check_directory, join, make_directory, storage_errors
from rnn_core.storage.warm_start import WarmStartSettings
from rnn_core.types import Array, InputFn, ModeKeys

logger = logging.getLogger("rnn_core")


class Estimator(ExportMethods):
    """Trains, evaluates, predicts and exports a model that lives in ``model_dir``.

    Args:
        model_fn: takes ``features`` and, if it names them, ``labels``, ``mode``, ``params`` and
            ``config``; returns an ``EstimatorSpec``. It is traced once for each mode and kind of
            batch, and gets the variables of its first call again at every other.
        model_dir: where checkpoints and event files go; a temporary directory by default.
        config: a ``RunConfig``.
        params: settings for ``model_fn`` and ``input_fn``.
        warm_start_from: a checkpoint, a directory with one, or ``WarmStartSettings``, to take first
            values from while ``model_dir`` has no checkpoint.

    Raises:
        ModelFnError: ``model_fn`` cannot be called with these arguments.
        ArgumentError: ``config``, ``model_dir`` or ``warm_start_from`` cannot be used.
    """

    _adds_up_over_workers = False
    """Whether the sums of an evaluation hold all that its metrics need. Those of a ``model_fn``
    live in variables that only it knows how to add up."""

    def __init__(
        self,
        model_fn: ModelFn,
        model_dir: str | os.PathLike[str] | None = None,
        config: RunConfig | None = None,
        params: Mapping[str, Any] | None = None,
        warm_start_from: str | WarmStartSettings | None = None,
    ) -> None:
        check_model_fn(model_fn, params)
        self._model_fn = model_fn
        # Of the kind that was given: a subclass of dict may have attributes.
        self._params = copy.deepcopy({} if params is None else params)
        self._warm_start = warm_start.warm_start_settings(warm_start_from)
        self._config, self._model_dir = _with_model_dir(config, model_dir)
        self._trainable: TrainableModel | None = None
        self._evaluated: InferenceModel | None = None
        self._predicted: InferenceModel | None = None
        self._replicas: Replicas | None = None
        self._predictions_running = 0

    def new_model(self, mode: str) -> Model:
        """A model with initial values, for ``ModeKeys.TRAIN``, ``EVAL`` or ``PREDICT``."""
        return ModelFnModel(self._model_fn, mode, self.params, self._config)

    @property
    def config(self) -> RunConfig:
        """The run's settings, with ``model_dir``."""
        return self._config

    @property
    def model_dir(self) -> str:
        """Where checkpoints and event files are."""
        return self._model_dir

    @property
    def params(self) -> Any:
        """A copy of what ``model_fn`` and ``input_fn`` get as ``params``."""
        return copy.deepcopy(self._params)

    @property
    def warm_start_settings(self) -> WarmStartSettings | None:
        """Where first values come from while ``model_dir`` has no checkpoint."""
        return self._warm_start

    @property
    def model_fn(self) -> ModelFn:
        """The model function, with ``params`` bound: (features, labels, mode, config) to spec."""

        def model_fn(features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
            return call_model_fn(self._model_fn, features, labels, mode, self.params, config)

        return model_fn

    def eval_dir(self, name: str | None = None) -> str:
        """Where the evaluation ``name`` writes its event file."""
        return join(self._model_dir, f"eval_{name}" if name else "eval")

    @eagerly
    def train(
        self,
        input_fn: InputFn,
        hooks: Iterable[Any] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Iterable[Any] | None = None,
    ) -> Self:
        """Trains for ``steps`` more steps, or up to the global step ``max_steps``, or to the end of
        the input; continues from the newest checkpoint.

        Raises:
            ArgumentError: both are given, or one is not positive.
            NanLossDuringTrainingError: the loss is not finite.
            LabelError, EmptyInputError, FeatureError: the input cannot be used.
            CheckpointError, StorageError: a checkpoint cannot be read or written.
        """
        steps, max_steps = check_lengths(steps, max_steps)
        checkpoint = checkpoints.newest_intact(self._model_dir)
        # `steps` counts from the checkpoint, not from what an earlier call left in memory.
        start = 0 if checkpoint is None else checkpoints.read_step(checkpoint)
        if max_steps is not None and start >= max_steps:
            logger.info("Not training: step %d of %d is reached already.", start, max_steps)
            return self
        last_step = max_steps if steps is None else start + steps
        with storage_errors(self._model_dir):
            make_directory(self._model_dir)
        adapted = adapt(hooks, saving_listeners)
        plan = Plan(self._config, self._model_dir, adapted, last_step, self._warm_start, checkpoint)
        with device_of(self._config.train_distribute):
            # The model of an earlier call is compiled already, and takes the checkpoint's values.
            # Without a checkpoint it would go on with its trained ones: a new model begins at
            # initial values.
            if self._trainable is None or self.latest_checkpoint() is None:
                self._trainable = self._new_trainable()
            training.train(
                self._trainable,
                lambda replicas: self._input(input_fn, ModeKeys.TRAIN, replicas),
                plan,
            )
        return self

    def _new_trainable(self) -> TrainableModel:
        """A model to train with the config's strategy."""
        config = self._config
        if is_served(config):
            servers = Servers(config)
            with servers.strategy.scope():
                return ServedModel(self.new_model(ModeKeys.TRAIN), servers)
        strategy = config.train_distribute
        replicas = replicas_of(config, strategy) if is_in_step(strategy) else None
        return TrainableModel(self.new_model(ModeKeys.TRAIN), replicas)

    @eagerly
    def evaluate(
        self,
        input_fn: InputFn,
        steps: int | None = None,
        hooks: Iterable[Any] | None = None,
        checkpoint_path: str | os.PathLike[str] | None = None,
        name: str | None = None,
    ) -> dict[str, float]:
        """Metrics of the newest checkpoint (or ``checkpoint_path``, or initial values) by name.

        Raises:
            ArgumentError: ``steps`` is not positive.
            LabelError, EmptyInputError, FeatureError: the input cannot be used.
            CheckpointError, StorageError: a checkpoint or a summary cannot be read or written.
        """
        steps, _ = check_lengths(steps, None)
        batch_hooks = BatchHooks(hooks, ModeKeys.EVAL, self._model_dir)
        checkpoint = _as_text(checkpoint_path) or self._intact(self._evaluated)
        replicas = self.evaluation_replicas
        # By these replicas: in OneReplica, which may replace them below, each worker is number 0.
        directory = self.eval_dir(name) if replicas.worker == 0 else None
        with device_of(self._config.eval_distribute or self._config.train_distribute):
            # Without a checkpoint the initial values count, not those that were loaded before.
            if self._evaluated is None or checkpoint is None:
                self._evaluated = InferenceModel(self.new_model(ModeKeys.EVAL))
            self._evaluated.load(checkpoint)
            if not self._adds_up_over_workers:
                # Each worker evaluates the whole input, and gets the metrics of all of it.
                replicas = OneReplica()
            dataset = self._input(input_fn, ModeKeys.EVAL, replicas)
            return evaluation.evaluate(
                self._evaluated, dataset, steps, directory, batch_hooks, replicas
            )

    @property
    def evaluation_replicas(self) -> Replicas:
        """Replicas that evaluate together: those of training unless ``eval_distribute`` differs."""
        if self._replicas is None:
            config = self._config
            # An evaluator is no member of the strategy's cluster: it would wait for the others.
            alone = config.task_type == EVALUATOR
            strategy = None if alone else config.eval_distribute or config.train_distribute
            self._replicas = replicas_of(config, strategy)
        return self._replicas

    @eagerly_generated
    def predict(
        self,
        input_fn: InputFn,
        predict_keys: Collection[str] | str | None = None,
        hooks: Iterable[Any] | None = None,
        checkpoint_path: str | os.PathLike[str] | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Yields predictions of one example, or of one batch, at a time.

        They are arrays by name, or one array where ``model_fn`` predicts a tensor without a name.

        Raises:
            ArgumentError: ``predict_keys`` names no prediction.
            FeatureError: the input cannot be used.
            CheckpointError: the checkpoint cannot be read.
        """
        batch_hooks = BatchHooks(hooks, ModeKeys.PREDICT, self._model_dir)
        keys = [predict_keys] if isinstance(predict_keys, str) else predict_keys
        checkpoint = _as_text(checkpoint_path) or self._intact(self._predicted)
        model = self._model_for_prediction(checkpoint)
        dataset = self._input(input_fn, ModeKeys.PREDICT, OneReplica())
        # A generator that its caller has not read to the end still computes with its model's
        # values.
        self._predictions_running += 1
        try:
            yield from prediction.predict(model, dataset, keys, yield_single_examples, batch_hooks)
        finally:
            self._predictions_running -= 1

    def _model_for_prediction(self, checkpoint: str | None) -> InferenceModel:
        """The model of the last prediction, unless another one still runs with other values."""
        model = self._predicted
        may_reload = checkpoint is not None and self._predictions_running == 0
        if model is None or not (model.holds(checkpoint) or may_reload):
            model = self._predicted = InferenceModel(self.new_model(ModeKeys.PREDICT))
        model.load(checkpoint)
        return model

    def _intact(self, model: InferenceModel | None) -> str | None:
        """The newest checkpoint that is whole; it is not read again if ``model`` holds it."""
        latest = self.latest_checkpoint()
        holds = model is not None and latest is not None and model.holds(latest)
        return latest if holds else checkpoints.newest_intact(self._model_dir)

    def latest_checkpoint(self) -> str | None:
        """Prefix of the newest checkpoint, None if there is none."""
        return checkpoints.latest(self._model_dir)

    def get_variable_names(self) -> list[str]:
        """Names of all variables in the newest checkpoint. Raises CheckpointError without one."""
        return sorted(checkpoints.read(self._required_checkpoint()))

    @overload
    def get_variable_value(self, name: str) -> Array: ...

    @overload
    def get_variable_value(self, name: list[str] | tuple[str, ...]) -> dict[str, Array]: ...

    def get_variable_value(
        self, name: str | list[str] | tuple[str, ...]
    ) -> Array | dict[str, Array]:
        """Value of a variable in the newest checkpoint; for a list of names, values by name.

        Raises:
            CheckpointError: there is no checkpoint, or it has no such variable.
        """
        values = checkpoints.read(self._required_checkpoint())
        unknown = [one for one in ([name] if isinstance(name, str) else name) if one not in values]
        if unknown:
            raise CheckpointError(f"No variable {unknown[0]!r}; there are: {sorted(values)}.")
        return values[name] if isinstance(name, str) else {one: values[one] for one in name}

    def _required_checkpoint(self) -> str:
        checkpoint = self.latest_checkpoint()
        if checkpoint is None:
            raise CheckpointError(f"No checkpoint in {self._model_dir}: train first.")
        return checkpoint

    def _input(self, input_fn: InputFn, mode: str, replicas: Replicas) -> Any:
        return call_input_fn(input_fn, mode, self.params, self._config, replicas)


def _as_text(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)


def _with_model_dir(
    config: RunConfig | None, model_dir: str | os.PathLike[str] | None
) -> tuple[RunConfig, str]:
    config = config or RunConfig()
    if not isinstance(config, RunConfig):
        raise ArgumentError(f"config: expected a RunConfig, got {config!r}.")
    given = _as_text(model_dir)
    if given is not None and config.model_dir not in (None, given):
        raise ArgumentError(
            f"model_dir: got {given} as argument and {config.model_dir} in the config; drop one."
        )
    directory = given or config.model_dir
    if directory is None:
        directory = tempfile.mkdtemp(prefix="rnn_core-")
        logger.warning("No model_dir was given: using the temporary directory %s", directory)
    check_directory(directory, "model_dir")
    return config.replace(model_dir=directory), directory
