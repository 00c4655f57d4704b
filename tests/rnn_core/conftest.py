"""Fixtures that several modules share; what they are made of is in ``samples``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnn_core
from tests.rnn_core.samples import WORDS, Data, make_estimator


@pytest.fixture(scope="session")
def data() -> Data:
    return Data()


@pytest.fixture(scope="session")
def trained(data: Data, tmp_path_factory: pytest.TempPathFactory) -> rnn_core.RNNClassifier:
    """Ten steps; nobody trains it further."""
    estimator = make_estimator(tmp_path_factory.mktemp("trained"), label_vocabulary=WORDS)
    words = np.array(WORDS)[data.labels]
    estimator.train(lambda: data.dataset(words).batch(5).repeat(), steps=10)
    return estimator


@pytest.fixture(scope="session")
def words_input(data: Data) -> Any:
    words = np.array(WORDS)[data.labels]
    return lambda: data.dataset(words).batch(7)
