"""Several heads on one network, each with its part of the logits and labels of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import tensorflow as tf

from rnn_core.errors import ArgumentError, LabelError
from rnn_core.heads.base import BaseHead, Losses
from rnn_core.heads.confusion import ratio
from rnn_core.heads.export_outputs import (
    PREDICT,
    SERVING_DEFAULT,
    ExportOutput,
    PredictOutput,
)
from rnn_core.types import Features, Labels

_LOSS: Final = "loss"


class MultiHead:
    """Heads side by side: the loss is the sum of theirs, labels are a dict by the heads' names.

    Predictions have the keys (name of the head, name of the prediction); metrics end with the name
    of their head, as in ``loss/name``. An export serves the first head, and each one by its name.

    Args:
        heads: heads of single examples with different names.
        head_weights: a factor for the loss of each head; None: all 1.

    Raises:
        ArgumentError: a head has no name or the name of another one, there is not one weight for
            each, or they reduce their losses in different ways.
    """

    def __init__(
        self, heads: Sequence[BaseHead], head_weights: Sequence[float] | None = None
    ) -> None:
        self._heads = tuple(heads)
        names = [str(head.name or "") for head in self._heads]
        if not all(names) or not names or len(set(names)) < len(names):
            raise ArgumentError(
                f"heads: expected heads with different names, got the names {names}. Give each its "
                "argument name."
            )
        self._names = names
        self.name = "_".join(names)
        weights = [1.0] * len(names) if head_weights is None else list(head_weights)
        if len(weights) != len(names):
            raise ArgumentError(
                f"head_weights: expected {len(names)}, one for each head, got {weights}."
            )
        self._factors = [float(weight) for weight in weights]
        reductions = {head.loss_reduction for head in self._heads}
        if len(reductions) > 1:
            raise ArgumentError(
                f"heads: expected one loss_reduction for all, got {', '.join(sorted(reductions))}."
            )
        (self.loss_reduction,) = reductions
        self.logits_dimension = sum(head.logits_dimension for head in self._heads)

    def losses(self, features: Features, labels: Labels, logits: tf.Tensor) -> Losses:
        """The losses of a batch with logits [B, L], those of all heads side by side.

        Raises:
            LabelError: labels are no dict, those of a head are missing, or cannot be used.
            MissingFeatureError: the weight of a head is not in the features.
        """
        if not isinstance(labels, Mapping) or set(self._names) - set(labels):
            got = sorted(labels) if isinstance(labels, Mapping) else type(labels).__name__
            raise LabelError(
                "MultiHead: expected labels as a dict with the names of the heads, "
                f"{', '.join(self._names)}; got {got}."
            )
        parts = {
            name: head.losses(features, labels[name], own)
            for name, head, own in self._split(logits)
        }
        every = parts.values()
        training = None
        if any(part.training is not None for part in every):
            training = self._weighed(part.minimized for part in every)
        return Losses(
            tf.concat([part.per_example for part in every], 1),
            tf.concat([part.weights for part in every], 1),
            tf.zeros([tf.shape(logits)[0], 0]),
            self._weighed(part.reduced for part in every),
            parts,
            training,
        )

    def _weighed(self, losses: Iterable[tf.Tensor]) -> tf.Tensor:
        pairs = zip(self._factors, losses, strict=True)
        return tf.add_n([factor * loss for factor, loss in pairs])

    def predictions(self, logits: tf.Tensor) -> dict[Any, tf.Tensor]:
        """All predictions of all heads, by (name of the head, name of the prediction)."""
        return {
            (name, key): value
            for name, head, own in self._split(logits)
            for key, value in head.predictions(own).items()
        }

    def export_outputs(self, predictions: dict[Any, tf.Tensor]) -> dict[str, ExportOutput]:
        """``serving_default``: that of the first head; ``NAME`` and ``NAME/SIGNATURE`` of each;
        and ``predict``: all predictions as ``NAME/KEY``."""
        outputs: dict[str, ExportOutput] = {}
        for name, head in zip(self._names, self._heads, strict=True):
            own = {key[1]: value for key, value in predictions.items() if key[0] == name}
            signatures = head.export_outputs(own)
            outputs.setdefault(SERVING_DEFAULT, signatures[SERVING_DEFAULT])
            for signature, output in signatures.items():
                is_default = signature == SERVING_DEFAULT
                outputs[name if is_default else f"{name}/{signature}"] = output
        everything = {"/".join(key): value for key, value in predictions.items()}
        return {**outputs, PREDICT: PredictOutput(everything)}

    def sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums over the batch: those of each head by its number."""
        parts = losses.parts or {}
        own_sums = {
            # A number and not a name, which may hold an underscore or be the start of another one.
            f"{index}_{key}": value
            for index, (name, head, own) in enumerate(self._split(logits))
            for key, value in head.sums(parts[name], own).items()
        }
        return {
            "batches": tf.constant(1.0, tf.float64),
            "batch_losses": tf.cast(losses.reduced, tf.float64),
            **own_sums,
        }

    def metrics(self, sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """float64 scalars: the metrics of each head, ``loss/NAME`` and the weighted ``loss``."""
        found: dict[str, tf.Tensor] = {}
        for index, (name, head) in enumerate(zip(self._names, self._heads, strict=True)):
            prefix = f"{index}_"
            own = {k.removeprefix(prefix): v for k, v in sums.items() if k.startswith(prefix)}
            for key, value in head.metrics(own).items():
                found[f"{_LOSS}/{name}" if key == _LOSS else key] = value
        return {**found, _LOSS: ratio(sums["batch_losses"], sums["batches"])}

    def _split(self, logits: tf.Tensor) -> Iterator[tuple[str, BaseHead, tf.Tensor]]:
        """Each head with its name and its part of the logits [B, L]."""
        sizes = [head.logits_dimension for head in self._heads]
        yield from zip(self._names, self._heads, tf.split(logits, sizes, axis=1), strict=True)
