"""The cheap models: one entry of ``BASELINES`` each.

Shapes: N rows, K labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from components.baseline.inputs import Inputs
from components.baseline.statistics import Array

_SEED: Final = 0
_TREES: Final = 200
_ITERATIONS: Final = 200
"""Of the regression. It need not have converged to be a baseline."""
_TOKENS: Final = 50_000
"""The most frequent tokens and pairs."""
_STRENGTH: Final = 10.0
"""C, the inverse weight of the penalty: weak, because a row of tf-idf is one unit long."""


class Classifier(Protocol):
    """A fitted baseline."""

    @property
    def classes(self) -> tuple[str, ...]:
        """[K]"""

    def probabilities(self, inputs: Inputs) -> Array:
        """[N, K]"""


@dataclass(frozen=True)
class Baseline:
    """A kind of model that takes seconds."""

    key: str
    label: str
    """Its name within a sentence."""
    label_of_steps: str
    """The same where each step has a label."""
    fit: Callable[[Inputs], Classifier]


class _Forest:
    def __init__(self, train: Inputs) -> None:
        self._model = RandomForestClassifier(_TREES, random_state=_SEED, n_jobs=-1)
        self._model.fit(train.numbers, train.labels)
        self.classes = _names(self._model.classes_)

    def probabilities(self, inputs: Inputs) -> Array:
        return np.asarray(self._model.predict_proba(inputs.numbers))


class _Regression:
    def __init__(self, train: Inputs) -> None:
        self._scale = StandardScaler().fit(train.numbers)
        self._words = (
            TfidfVectorizer(analyzer=_as_they_are, max_features=_TOKENS).fit(train.tokens)
            if train.has_tokens
            else None
        )
        self._model = LogisticRegression(C=_STRENGTH, max_iter=_ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(self._columns(train), train.labels)
        self.classes = _names(self._model.classes_)

    def probabilities(self, inputs: Inputs) -> Array:
        return np.asarray(self._model.predict_proba(self._columns(inputs)))

    def _columns(self, inputs: Inputs) -> Any:
        numbers = self._scale.transform(inputs.numbers)
        if self._words is None:
            return numbers
        return scipy.sparse.hstack([numbers, self._words.transform(inputs.tokens)], format="csr")


BASELINES: Final = (
    Baseline(
        "forest",
        "a random forest on summary statistics of the sequences",
        "a random forest on each step and its neighbours",
        _Forest,
    ),
    Baseline(
        "regression",
        "a logistic regression on summary statistics and tokens",
        "a logistic regression on each step and its neighbours",
        _Regression,
    ),
)


def _names(classes: NDArray[Any]) -> tuple[str, ...]:
    return tuple(map(str, classes))


def _as_they_are(tokens: list[str]) -> list[str]:
    return tokens
