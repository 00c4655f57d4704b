"""RNNEstimator: a recurrent network with any head."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rnn_core.config.network_config import NetworkConfig
from rnn_core.config.run_config import USE_DEFAULT, RunConfig
from rnn_core.errors import ArgumentError
from rnn_core.estimators.arguments import network_spec
from rnn_core.estimators.estimator import Estimator
from rnn_core.graph.eager import eagerly
from rnn_core.graph.summed_metrics import SummedMetrics
from rnn_core.heads import Head
from rnn_core.heads.sequential import SequentialHeadWrapper
from rnn_core.models.estimator_spec import EstimatorSpec
from rnn_core.models.model import Model
from rnn_core.models.recurrent_model import RecurrentModel
from rnn_core.optimizers.averages import AveragedSpec, named_as_averages
from rnn_core.optimizers.optimizers import optimizer_spec
from rnn_core.types import ModeKeys


class RNNEstimator(Estimator):
    """A recurrent network with any head; see ``RNNClassifier`` for the arguments.

    With ``return_sequences=True`` the head must be a ``SequentialHeadWrapper``, which names the
    sequence mask; ``sequence_mask`` then has no effect.

    Raises:
        ArgumentError: the arguments are not legal together.
    """

    _adds_up_over_workers = True

    @eagerly
    def __init__(
        self,
        head: Head | SequentialHeadWrapper,
        sequence_feature_columns: Iterable[Any],
        context_feature_columns: Iterable[Any] | None = None,
        units: Iterable[int] | int | None = None,
        cell_type: Any = USE_DEFAULT,
        rnn_cell_fn: Any = None,
        return_sequences: bool = False,
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: Any = "Adagrad",
        config: RunConfig | None = None,
        sequence_mask: str = "sequence_mask",
        network: NetworkConfig | None = None,
    ) -> None:
        if isinstance(head, SequentialHeadWrapper):
            sequence_mask = head.input_sequence_mask_key
        if isinstance(head, SequentialHeadWrapper) != bool(return_sequences):
            raise ArgumentError(
                "return_sequences: expected True with a SequentialHeadWrapper and False with "
                f"another head, got {return_sequences} with {type(head).__name__}."
            )
        super().__init__(self._spec_of, model_dir, config)
        self._head = head
        self._spec = network_spec(
            sequence_feature_columns,
            context_feature_columns,
            units,
            cell_type,
            rnn_cell_fn,
            head.logits_dimension,
            sequence_mask,
            bool(return_sequences),
            network,
        )
        self._optimizer = optimizer_spec(optimizer)

    def new_model(self, mode: str) -> Model:
        """A network with initial values; with an optimizer for ``ModeKeys.TRAIN``."""
        optimizer = self._optimizer if mode == ModeKeys.TRAIN else None
        seed, averaged = self._config.tf_random_seed, isinstance(self._optimizer, AveragedSpec)
        return RecurrentModel(self._spec, self._head, seed, optimizer, averaged)

    def _spec_of(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        """What ``model_fn`` returns: a network with initial values, applied to the batch."""
        # Outside of the graph that calls this: initial values are computed at once, by NumPy.
        with tf.init_scope():
            averaged = mode != ModeKeys.TRAIN and isinstance(self._optimizer, AveragedSpec)
            with named_as_averages() if averaged else contextlib.nullcontext():
                model = self.new_model(mode)
        if mode == ModeKeys.PREDICT:
            predictions = model.predictions(features)
            outputs = model.export_outputs(predictions)
            return EstimatorSpec(mode, predictions, export_outputs=outputs)
        if mode == ModeKeys.EVAL:
            sums = model.evaluate(features, labels)
            metrics = {"metrics": SummedMetrics(sums, self._head.metrics)}
            predictions = model.predictions(features)
            return EstimatorSpec(mode, predictions, sums["batch_losses"], eval_metric_ops=metrics)
        step = tf.compat.v1.train.get_or_create_global_step()
        loss = model.train_step(features, labels, step)
        return EstimatorSpec(mode, loss=loss, train_op=step)
