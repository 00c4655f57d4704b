"""A registered model for the tests of what moves its aliases."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.tracking.client import MlflowClient, connect


@pytest.fixture
def client(store: str) -> MlflowClient:
    return connect(store)


@pytest.fixture
def name(client: MlflowClient, tmp_path: Path) -> str:
    """A registered model with three versions and no champion."""
    client.create_registered_model(tmp_path.name)
    for _ in range(3):
        client.create_model_version(tmp_path.name, source=str(tmp_path))
    return tmp_path.name
