"""Fixtures that several modules share; what they are made of is in ``samples``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rnn_core
from rnn_core.kernels import build, library
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


@pytest.fixture(scope="session")
def built() -> None:
    """The library of the native operations is there."""
    if not library.library_path().exists() and build.find_compiler() is None:
        pytest.skip("there is no C++ compiler, so no native operations")
    build.build()


@pytest.fixture
def native(built: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module with the native operations, which are used whatever the environment says."""
    monkeypatch.setenv(library.SWITCH, "on")
    operations = library.operations("layers")
    assert operations is not None
    return operations
