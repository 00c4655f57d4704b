"""One label for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from components.label_tasks import PER_ROW
from components.labels.kind import LabelKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LabelOfRow(LabelKind):
    """``label`` is a text, a whole number, or true or false."""

    task = PER_ROW
    reasons: ClassVar = {
        "model": (
            "Two directions, and the mean and maximum over all steps: what matters may be "
            "anywhere.",
            "The summaries (see features) and the context stand beside them, in front of the "
            "classes.",
        ),
    }

    def is_label(self, value: Any, steps: int) -> bool:
        """Anything but a list."""
        del steps
        return not isinstance(value, list)

    def parsing(self) -> Any:
        """string [B]."""
        import tensorflow as tf  # a config is read without it

        return tf.io.FixedLenFeature([], tf.string)

    def estimator(
        self, labels: Sequence[str], loss: Mapping[str, Any], network: Mapping[str, Any]
    ) -> Any:
        """A classifier of sequences."""
        import rnn_core  # as TensorFlow

        return rnn_core.RNNClassifier(
            n_classes=len(labels), label_vocabulary=list(labels), macro_f1=True, **loss, **network
        )

    def answers(self, batch: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """[B, K]."""
        return batch["probabilities"]

    def served(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """``probabilities`` [B, K], ``classes`` [B], ``class_ids`` [B], ``logits`` [B, L]."""
        import tensorflow as tf

        return {
            "probabilities": found["probabilities"],
            "classes": tf.reshape(found["classes"], [-1]),
            # int64 in the signature, whatever the head gives: clients depend on the type.
            "class_ids": tf.reshape(tf.cast(found["class_ids"], tf.int64), [-1]),
            "logits": found["logits"],
        }
