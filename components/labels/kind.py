"""What every stage needs to know of the labels of the rows: one object with these methods.

The labels of a row are a tuple of texts: its label, or those of its steps. They pass through the
methods in this order:

    row check    ``components.data.row_parsing`` checks them by the task's name: a served model
                 runs a copy of that file, which imports nothing
    known_labels, stratum   rare labels, and the split of the row
    parsing      from the examples to the tensor of labels that the head reads
    estimator    the network with the head that learns them
    answers      what the estimator predicts, as the rows of a ``PredictionTable``
    served       what the exported model answers

What a row of a file is answered is in ``components.export.row_scoring``, for the same reason as the
row check. A model is trained without Beam, and a config is read without TensorFlow: a method that
needs one imports it in its body.

Shapes: B rows, T steps of the longest row, K labels, A answers of all rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from components.label_tasks import LabelTask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from components.config import ModelConfig


class LabelKind(ABC):
    """The base of the kinds of labels."""

    task: ClassVar[LabelTask]
    predict_keys: ClassVar[tuple[str, ...]] = ("probabilities",)
    """The predictions of the estimator that ``answers`` needs."""
    reads_summaries: ClassVar[bool] = True
    """Whether summaries of the whole row say much about its labels, so that ``init`` has them."""
    reasons: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Why ``init`` writes what it does, by the section of the config."""

    @abstractmethod
    def is_label(self, value: Any, steps: int) -> bool:
        """Whether the value of ``label`` in a row of so many steps is of this kind."""

    def known_labels(
        self, labels: tuple[str, ...], classes: Mapping[str, str | None]
    ) -> tuple[str, ...] | None:
        """The labels as the classes of the model; None if the row is left out.

        Args:
            labels: of a row.
            classes: the labels that are not a class of their own, each with its class, or None.
        """
        if classes.keys().isdisjoint(labels):
            return labels
        known = [classes.get(label, label) for label in labels]
        return None if None in known else tuple(label for label in known if label is not None)

    def stratum(self, labels: tuple[str, ...]) -> str:
        """The class whose rows are split by their shares, this row among them: the commonest."""
        if len(labels) == 1:
            return labels[0]
        counts = Counter(labels)
        return min(counts, key=lambda label: (-counts[label], label))

    def proposed(self, model: ModelConfig) -> ModelConfig:
        """The network that ``init`` proposes, from one for a label a row."""
        return model

    def model_faults(self, model: ModelConfig) -> Iterator[tuple[str, str]]:
        """The path of each setting of the model that these labels do not go with, and why."""
        del model
        return iter(())

    @abstractmethod
    def parsing(self) -> Any:
        """How ``tf.io.parse_sequence_example`` reads the labels of an example."""

    @abstractmethod
    def estimator(
        self, labels: Sequence[str], loss: Mapping[str, Any], network: Mapping[str, Any]
    ) -> Any:
        """An ``rnn_core.RNNEstimator``.

        Args:
            labels: the classes, in the order of their ids.
            loss: the arguments of the head that say what training minimizes.
            network: all other arguments.
        """

    @abstractmethod
    def answers(self, batch: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Probabilities [A, K] of one batch of the estimator's predictions."""

    @abstractmethod
    def served(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs of the exported model, from the predictions of ``rnn_core.Predictor``."""
