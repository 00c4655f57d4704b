"""What an export is made of."""

from __future__ import annotations

from typing import Protocol

from rnn_core.errors import CheckpointError
from rnn_core.model import Model


class ModelSource(Protocol):
    """The part of an estimator that exports read."""

    @property
    def model_dir(self) -> str:
        """Where its checkpoints are."""

    def latest_checkpoint(self) -> str | None:
        """Prefix of the newest checkpoint, None if there is none."""

    def new_model(self, mode: str) -> Model:
        """A model with first values, for ``ModeKeys.TRAIN``, ``EVAL`` or ``PREDICT``."""


def checkpoint_to_export(source: ModelSource, checkpoint_path: str | None) -> str:
    """``checkpoint_path``, or the newest checkpoint. Raises CheckpointError if there is none."""
    checkpoint = checkpoint_path or source.latest_checkpoint()
    if checkpoint is None:
        raise CheckpointError(f"No checkpoint in {source.model_dir}: train first.")
    return checkpoint
