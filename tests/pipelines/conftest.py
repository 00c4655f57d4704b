"""What the stages of a small run return; and a project whose runs stop after the first stage.

Neither needs TensorFlow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from components.artifacts.history import append_point
from components.artifacts.predictions import PredictionTable
from components.artifacts.values import Examples, Model, Rows, SourceFile
from components.evaluation.metrics_files import measure
from tests.pipelines.samples import PROMOTED
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


@pytest.fixture(scope="session")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the stages of a small run return, with the files that they name."""
    folder = tmp_path_factory.mktemp("values")
    for name in ("examples", "model"):
        (folder / name).mkdir()
    statistics = {"rows": {"train": 8, "validation": 2, "test": 4}, "bad_rows": {"count": 0}}
    (folder / "examples" / "statistics.json").write_text(json.dumps(statistics))
    for step in (10, 20):
        append_point(folder / "model" / "history.jsonl", step, {"train/loss": 1 / step})
    rows = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    table = PredictionTable(("a", "b", "c", "d"), ("no", "no", "yes", "yes"), ("no", "yes"), rows)
    return {
        "rows": Rows((SourceFile("rows.jsonl", None, "f", 10),), "digest"),
        "examples": Examples(str(folder / "examples"), "e"),
        "model": Model(str(folder / "model"), "model.ckpt-20", 20, "m"),
        "metrics": measure(table, ("no", "yes"), folder / "metrics"),
        "baseline": None,
        "champion_metrics": None,
        "decision": PROMOTED,
    }
