"""One label for each time step of a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from components.label_tasks import PER_STEP
from components.labels.kind import LabelKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from components.config import ModelConfig

_MASK: Final = "sequence_mask"
"""The prediction that says which steps are real: those behind the end of a row are not."""


class LabelOfStep(LabelKind):
    """``label`` is a list with a label for each step of the row."""

    task = PER_STEP
    predict_keys = ("probabilities", _MASK)
    # They are equal at all steps, and thousands of them would be learned by heart.
    reads_summaries = False
    reasons: ClassVar = {
        "data": ("Each label is a list with one entry for each step of its row: label: per_step.",),
        "model": (
            "Two directions: what a step is may show in those that follow.",
            "Each step is an answer, so that nothing is pooled or summed up.",
        ),
    }

    def is_label(self, value: Any, steps: int) -> bool:
        """A list of as many entries as the row has steps."""
        return isinstance(value, list) and len(value) == steps

    def proposed(self, model: ModelConfig) -> ModelConfig:
        """Without pooling, and with the context where it meets the features of each step."""
        return dataclasses.replace(model, pooling="last", context="steps", front_end=())

    def model_faults(self, model: ModelConfig) -> Iterator[tuple[str, str]]:
        """Nothing represents the whole sequence: each step is classified by its own outputs."""
        if model.pooling != "last":
            yield (
                "model.pooling",
                f"{model.pooling} sums up all steps into one answer, and with data.label: per_step "
                "each step has its own; leave it out (its default is last)",
            )
        if any(layer.stride > 1 for layer in model.front_end):
            yield (
                "model.front_end",
                "a stride leaves out steps, and with data.label: per_step each has an answer; "
                "let it be 1",
            )
        if model.convolution_branch:
            yield (
                "model.convolution_branch",
                "it sums up all steps into one answer, and with data.label: per_step each step has "
                "its own; leave it out",
            )

    def parsing(self) -> Any:
        """string [B, (T)], ragged."""
        import tensorflow as tf  # a config is read without it

        return tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)

    def estimator(
        self, labels: Sequence[str], loss: Mapping[str, Any], network: Mapping[str, Any]
    ) -> Any:
        """A classifier of steps: losses and metrics are means over the real ones."""
        import rnn_core  # as TensorFlow

        return rnn_core.RNNClassifier(
            n_classes=len(labels),
            label_vocabulary=list(labels),
            return_sequences=True,
            sequence_mask=_MASK,
            macro_f1=True,
            **loss,
            **network,
        )

    def answers(self, batch: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """[A, K]: the real steps of all rows, one after the other."""
        answers: NDArray[np.float32] = batch["probabilities"][batch[_MASK]]
        return answers

    def served(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """``probabilities`` [B, T, K], ``classes`` [B, T], ``class_ids`` [B, T], ``logits``
        [B, T, L], and ``lengths`` int64 [B]; behind the end of a row they are 0, an empty text, -1.
        """
        import tensorflow as tf

        mask = found[_MASK]
        each = mask[:, :, tf.newaxis]
        classes = tf.where(each, found["classes"], "")
        # int64 in the signature, whatever the head gives: clients depend on the type.
        class_ids = tf.where(each, tf.cast(found["class_ids"], tf.int64), -1)
        return {
            "probabilities": tf.where(each, found["probabilities"], 0.0),
            "classes": tf.squeeze(classes, 2),
            "class_ids": tf.squeeze(class_ids, 2),
            "logits": tf.where(each, found["logits"], 0.0),
            "lengths": tf.math.count_nonzero(mask, 1),
        }
