"""RNNClassifier: the estimator with a head for classes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnn_core.checks import check_count
from rnn_core.config.network_config import NetworkConfig
from rnn_core.config.run_config import USE_DEFAULT, RunConfig
from rnn_core.errors import ArgumentError
from rnn_core.estimators.rnn_estimator import RNNEstimator
from rnn_core.heads import BinaryClassHead, Head, MultiClassHead
from rnn_core.heads.base import SUM_OVER_BATCH_SIZE
from rnn_core.heads.sequential import SequentialHeadWrapper
from rnn_core.heads.training_loss import ClassWeights


class RNNClassifier(RNNEstimator):
    """A recurrent network that puts each sequence in one of ``n_classes`` classes.

    Arguments, defaults and meaning are those of ``tf.estimator.experimental.RNNClassifier``;
    sequence features may also be dense or ragged.

    Args:
        sequence_feature_columns: columns of the sequences: ``sequence_numeric_column``, or
            ``embedding_column``/``indicator_column`` over ``sequence_categorical_column_*``.
        context_feature_columns: dense columns, repeated at each step unless ``network`` says
            otherwise.
        units: hidden units of each layer.
        cell_type: ``simple_rnn`` (default), ``lstm`` or ``gru``; or a class of cells, called with
            ``units=n`` for each layer: Keras's, or any with ``call``, ``state_size``,
            ``output_size`` and ``get_initial_state``.
        rnn_cell_fn: in place of ``units`` and ``cell_type``, a function that returns a cell, a
            list of cells, or ``keras.layers.StackedRNNCells``; called once for each model.
        return_sequences: whether each step has a label, not each sequence; ``weight_column`` must
            then be None or a string.
        model_dir: where checkpoints and event files go; a temporary directory by default.
        n_classes: K; with 2 there is one logit.
        weight_column: name of a feature, or a numeric column, that weighs examples.
        label_vocabulary: the label strings, if labels are strings.
        optimizer: a string, a Keras optimizer, or a callable that returns one.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        sequence_mask: name of a feature that, if given, says which steps have labels, and which
            steps of sequences without lengths (dense numbers) are real. With ``return_sequences``
            the mask is also in the predictions under this name.
        config: a ``RunConfig``.
        network: a ``NetworkConfig``: what the network has beside its layers of cells, such as
            pooling over the steps. By default nothing, as in 2.15.
        label_smoothing: as of ``MultiClassHead``, as the two that follow: they change what training
            minimizes, and not the losses that ``evaluate`` reports.
        class_weights: K positive numbers in the order of the ids, or a mapping from each label.
        focal_gamma: how much less examples that are easy count.
        macro_f1: as of ``MultiClassHead``: one more metric of ``evaluate``.

    Raises:
        ArgumentError: the arguments are not legal together.
    """

    def __init__(
        self,
        sequence_feature_columns: Iterable[Any],
        context_feature_columns: Iterable[Any] | None = None,
        units: Iterable[int] | int | None = None,
        cell_type: Any = USE_DEFAULT,
        rnn_cell_fn: Any = None,
        return_sequences: bool = False,
        model_dir: str | os.PathLike[str] | None = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        optimizer: Any = "Adagrad",
        loss_reduction: Any = SUM_OVER_BATCH_SIZE,
        sequence_mask: str = "sequence_mask",
        config: RunConfig | None = None,
        network: NetworkConfig | None = None,
        label_smoothing: float = 0.0,
        class_weights: ClassWeights | None = None,
        focal_gamma: float = 0.0,
        macro_f1: bool = False,
    ) -> None:
        options = {
            "label_smoothing": label_smoothing,
            "class_weights": class_weights,
            "focal_gamma": focal_gamma,
            "macro_f1": macro_f1,
        }
        head: Head | SequentialHeadWrapper = _head(
            n_classes, weight_column, label_vocabulary, loss_reduction, options
        )
        if return_sequences:
            head = SequentialHeadWrapper(head, sequence_mask, weight_column)
        super().__init__(
            head,
            sequence_feature_columns,
            context_feature_columns,
            units,
            cell_type,
            rnn_cell_fn,
            return_sequences,
            model_dir,
            optimizer,
            config,
            sequence_mask,
            network,
        )


def _head(
    n_classes: int,
    weight_column: Any,
    vocabulary: Sequence[str] | None,
    reduction: Any,
    options: Mapping[str, Any],
) -> Head:
    n_classes = check_count(n_classes, 2, "n_classes")
    if vocabulary is not None and len(vocabulary) != n_classes:
        raise ArgumentError(
            f"label_vocabulary: expected {n_classes} strings (n_classes), got {len(vocabulary)}."
        )
    if n_classes == 2:
        return BinaryClassHead(weight_column, None, vocabulary, reduction, **options)
    return MultiClassHead(n_classes, weight_column, vocabulary, reduction, **options)
