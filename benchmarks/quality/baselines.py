"""Cheap classifiers to hold a model against. Each chooses its settings on the training rows alone.

The settings are chosen for the accuracy by cross-validation, or by what a method gives for free:
the rows that a tree of a forest left out, the leave-one-out error of a ridge regression. The test
rows are answered once.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.mini_rocket import MiniRocket
from benchmarks.quality.rows import Array, Rows
from benchmarks.quality.summaries import categories_of, summaries

_SEED: Final = 0
_FOLDS: Final = 5
_STRENGTHS: Final = [0.01, 0.1, 1.0, 10.0, 100.0]
"""C of a logistic regression: the inverse of the weight of the penalty."""
_TOKEN_STRENGTHS: Final = [0.1, 1.0, 10.0, 100.0, 1_000.0]
"""More of it, because tf-idf makes a row one unit long."""
_ITERATIONS: Final = 2_000


@dataclass(frozen=True)
class Answers:
    """What a baseline answered on the test rows, in their order."""

    labels: tuple[str, ...]
    settings: str
    seconds: float


def forest(train: Rows, test: Rows) -> tuple[Array, str]:
    """A random forest on summary statistics; its settings by the rows that each tree left out."""
    inputs, asked = _summaries(train, test)
    grid = [(share, leaf) for share in ("sqrt", 0.3) for leaf in (1, 3)]
    forests = [
        RandomForestClassifier(
            500, max_features=share, min_samples_leaf=leaf, oob_score=True, random_state=_SEED
        ).fit(inputs, train.labels)
        for share, leaf in grid
    ]
    best = int(np.argmax([each.oob_score_ for each in forests]))
    share, leaf = grid[best]
    return forests[best].predict(asked), f"max_features={share}, min_samples_leaf={leaf}"


def summary_regression(train: Rows, test: Rows) -> tuple[Array, str]:
    """Logistic regression on summary statistics."""
    inputs, asked = _summaries(train, test)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_ITERATIONS))
    search = _search(model, {"logisticregression__C": _STRENGTHS}, train, inputs)
    return search.predict(asked), _chosen(search)


def mini_rocket(train: Rows, test: Rows) -> tuple[Array, str]:
    """A ridge classifier on the features of MiniRocket, as its paper has it for few rows."""
    rocket = MiniRocket(train.numbers, _SEED)
    # Only scaled, so that the features that are mostly zero stay so.
    model = make_pipeline(
        StandardScaler(with_mean=False), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))
    )
    model.fit(rocket.transform(train.numbers), train.labels)
    return model.predict(rocket.transform(test.numbers)), f"alpha={model[-1].alpha_:.3g}"


def token_regression(train: Rows, test: Rows, weights: str | None = None) -> tuple[Array, str]:
    """Logistic regression on tf-idf of tokens and of pairs of neighbours."""
    searches = []
    for sublinear in (False, True):
        words = TfidfVectorizer(analyzer=_tokens_and_pairs, sublinear_tf=sublinear)
        inputs, asked = words.fit_transform(train.tokens), words.transform(test.tokens)
        model = LogisticRegression(max_iter=_ITERATIONS, class_weight=weights)
        search = _search(model, {"C": _TOKEN_STRENGTHS}, train, inputs)
        searches.append((search.best_score_, sublinear, search, asked))
    _, sublinear, search, asked = max(searches, key=lambda each: each[0])
    return search.predict(asked), f"{_chosen(search)}, sublinear_tf={sublinear}"


def weighted_token_regression(train: Rows, test: Rows) -> tuple[Array, str]:
    """The same with rows of rare classes counting more."""
    return token_regression(train, test, "balanced")


ON_NUMBERS: Final[dict[str, Callable[[Rows, Rows], tuple[Array, str]]]] = {
    "RF": forest,
    "LR": summary_regression,
    "MiniRocket": mini_rocket,
}
ON_TOKENS: Final[dict[str, Callable[[Rows, Rows], tuple[Array, str]]]] = {
    "LR tf-idf": token_regression,
    "LR tf-idf, class weights": weighted_token_regression,
}


def baselines_for(train: Rows) -> dict[str, Callable[[Rows, Rows], tuple[Array, str]]]:
    """Those that can take what the rows hold."""
    return (ON_NUMBERS if train.has_numbers else {}) | (ON_TOKENS if train.has_tokens else {})


def answer(baseline: Callable[[Rows, Rows], tuple[Array, str]], train: Rows, test: Rows) -> Answers:
    """Fits a baseline and answers the test rows."""
    start = time.perf_counter()
    labels, settings = baseline(train, test)
    return Answers(tuple(map(str, labels)), settings, time.perf_counter() - start)


def _summaries(train: Rows, test: Rows) -> tuple[Array, Array]:
    categories = categories_of(train)
    return summaries(train, categories), summaries(test, categories)


def _search(model: Any, grid: dict[str, list[Any]], train: Rows, inputs: Any) -> GridSearchCV:
    # No class may have fewer rows than there are folds.
    folds = max(2, min(_FOLDS, *Counter(train.labels.tolist()).values()))
    split = StratifiedKFold(folds, shuffle=True, random_state=_SEED)
    return GridSearchCV(model, grid, cv=split).fit(inputs, train.labels)


def _chosen(search: GridSearchCV) -> str:
    return ", ".join(f"{key.split('__')[-1]}={value}" for key, value in search.best_params_.items())


def _tokens_and_pairs(tokens: tuple[str, ...]) -> list[str]:
    return [*tokens, *map("\n".join, itertools.pairwise(tokens))]
