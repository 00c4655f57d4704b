"""Several networks that answer as one: the mean of their probabilities.

Shapes: B rows, K labels; where each step has a label, T steps between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from components.training.temperature import log_of

Predictor: TypeAlias = Callable[[dict[str, Any]], Mapping[str, tf.Tensor]]
"""Transformed features to the predictions of an estimator."""


class Ensemble(tf.Module):
    """The predictions of a network, with the probabilities and the logits of all of them.

    The mean of probabilities is the best guess of one who holds each network to be right with the
    same chance (Lakshminarayanan, Pritzel and Blundell, Simple and Scalable Predictive Uncertainty
    Estimation using Deep Ensembles, NeurIPS 2017). The logits are those that give it: of two labels
    ln p_1 - ln p_0, else ln p_k.
    """

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        super().__init__(name="ensemble")
        # An attribute, so that their variables are saved.
        self._predictors = list(predictors)

    def __call__(self, features: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Probabilities float32 [B, K] or [B, T, K], logits, and what else the first one gives."""
        found = [predictor(features) for predictor in self._predictors]
        probabilities = tf.reduce_mean([one["probabilities"] for one in found], axis=0)
        logits = log_of(probabilities)
        if found[0]["logits"].shape[-1] == 1:
            logits = logits[..., 1:] - logits[..., :1]
        return {**found[0], "probabilities": probabilities, "logits": logits}
