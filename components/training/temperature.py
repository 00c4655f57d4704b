"""The temperature by which a model's logits are divided, so that its probabilities can be believed.

Label smoothing and dropout make a network more cautious than it need be, long training too sure of
itself; one number mends either, and changes no answer: p_k becomes p_k^(1/T) / sum_j p_j^(1/T)
(Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017).

Shapes: A answers, K labels.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy import optimize, special

_LIMITS: Final = (0.05, 20.0)
"""Beyond, all probabilities are 0 and 1, or all are equal."""
_SMALLEST: Final = 1e-30
"""A probability that underflowed to 0 counts as this."""


def log_of(probabilities: tf.Tensor) -> tf.Tensor:
    """The logarithm, of any shape."""
    return tf.math.log(tf.maximum(probabilities, _SMALLEST))


def at_temperature(probabilities: tf.Tensor, temperature: float) -> tf.Tensor:
    """Probabilities [..., K] float32 at a temperature; themselves at 1."""
    if temperature == 1.0:
        return probabilities
    return tf.nn.softmax(log_of(probabilities) / temperature)


def best_temperature(log_probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature with the least cross entropy; 1 without an answer.

    The label counts as certain but for one part in A + 2, which the other labels share: without it
    a model that is right for all of few rows would be made certain of everything (Platt,
    Probabilistic Outputs for Support Vector Machines, 1999, has the same for two labels).

    Args:
        log_probabilities: [A, K], of rows that the model was not trained on.
        labels: [A] int64, their indices.
    """
    answers, classes = log_probabilities.shape
    if not answers or classes < 2:
        return 1.0
    doubt = 1 / (answers + 2)
    wanted = np.full((answers, classes), doubt / (classes - 1))
    wanted[np.arange(answers), labels] = 1 - doubt

    def loss(log_temperature: float) -> float:
        scaled = special.log_softmax(log_probabilities / np.exp(log_temperature), axis=1)
        return float(-np.mean(np.sum(wanted * scaled, axis=1)))

    found = optimize.minimize_scalar(loss, bounds=tuple(np.log(_LIMITS)), method="bounded")
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0
