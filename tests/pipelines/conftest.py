"""A small project: runs of it stop after the first stages, which need no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.projects import Project


def write_small_project(root: Path, server: str, name: str) -> Project:
    """Forty rows with two labels, and a config that names them."""
    rows = [
        {"id": f"r{i}", "label": "no" if i % 2 else "yes", "sequence": {"x": [float(i), 1.0]}}
        for i in range(40)
    ]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {
        "name": name,
        "data": {"train": "rows.jsonl"},
        "features": {"sequence": {"x": {"kind": "numeric"}}},
    }
    (root / "config.yaml").write_text(yaml.safe_dump(values))
    return Project(root, server)


@pytest.fixture
def small(
    tmp_path: Path, prefect_server: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """One that is tracked in the session's MLflow database, in an experiment of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return write_small_project(tmp_path, prefect_server, tmp_path.name)
