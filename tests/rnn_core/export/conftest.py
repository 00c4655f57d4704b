"""An estimator that is ready to be exported."""

from __future__ import annotations

import pytest

import rnn_core
from tests.rnn_core.export import samples


@pytest.fixture(scope="session")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> rnn_core.RNNClassifier:
    return samples.untrained(tmp_path_factory.mktemp("estimator") / "model")
