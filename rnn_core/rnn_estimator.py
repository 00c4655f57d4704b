"""RNNEstimator: a recurrent network with any head."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from rnn_core.arguments import network_spec
from rnn_core.config import USE_DEFAULT, RunConfig
from rnn_core.errors import UnsupportedError
from rnn_core.estimator import Estimator
from rnn_core.heads import Head
from rnn_core.model import Model, RecurrentModel
from rnn_core.optimizers import optimizer_spec
from rnn_core.types import ModeKeys


class RNNEstimator(Estimator):
    """A recurrent network with any head; see ``RNNClassifier`` for the arguments.

    Raises:
        ArgumentError: the arguments are not legal together.
        UnsupportedError: an argument that is not supported yet.
    """

    def __init__(
        self,
        head: Head,
        sequence_feature_columns: Iterable[Any],
        context_feature_columns: Iterable[Any] | None = None,
        units: Iterable[int] | int | None = None,
        cell_type: Any = USE_DEFAULT,
        rnn_cell_fn: Any = None,
        return_sequences: bool = False,
        model_dir: str | os.PathLike[str] | None = None,
        optimizer: Any = "Adagrad",
        sequence_mask: str = "sequence_mask",
        config: RunConfig | None = None,
    ) -> None:
        if return_sequences:
            raise UnsupportedError(
                "return_sequences=True is not supported yet: only the last output is classified."
            )
        super().__init__(model_dir, config)
        self._head = head
        self._spec = network_spec(
            sequence_feature_columns,
            context_feature_columns,
            units,
            cell_type,
            rnn_cell_fn,
            head.logits_dimension,
            sequence_mask,
        )
        self._optimizer = optimizer_spec(optimizer)

    def new_model(self, mode: str) -> Model:
        """A network with first values; with an optimizer for ``ModeKeys.TRAIN``."""
        optimizer = self._optimizer if mode == ModeKeys.TRAIN else None
        return RecurrentModel(self._spec, self._head, self._config.tf_random_seed, optimizer)
