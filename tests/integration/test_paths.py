"""Whole runs where the names of files and directories are as odd as they may be.

A work directory with a name that libraries misread is refused (``WorkDirectory.at``); config, data,
outputs and the directory of temporary files are read and written by Python alone and may have any.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.projects import Project

ALLOWED = "a b é日本 {x} $H & ; ' \" (y) ! , = + @ : ~ ^ | < >"
MISREAD = "p [x] %20 ? # \\ * é"


def _project(root: Path, server: str, data: str) -> Project:
    root.mkdir()
    rows = [
        {"id": f"r{i}", "label": "ab"[i % 2], "sequence": {"x": [i % 2, 1.0], "w": ["u", "v"]}}
        for i in range(80)
    ]
    (root / data).write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {
        "name": "odd-names",
        "data": {"train": data},
        "features": {"sequence": {"x": {"kind": "numeric"}, "w": {"kind": "token"}}},
        "model": {"units": 4},
        "training": {"max_steps": 2, "evaluate_every_steps": 2},
        "gate": {"min_examples": 1, "bounds": {"accuracy": {"min": 0.0}}},
    }
    (root / "config.yaml").write_text(yaml.safe_dump(values))
    return Project(root, server)


def test_a_run_comes_to_its_end_in_a_directory_with_any_characters_that_are_not_refused(
    tmp_path: Path, prefect_server: str
) -> None:
    project = _project(tmp_path / ALLOWED, prefect_server, "da ta.jsonl")
    done = project.call("run", "config.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.root / ".rnnflow" / "mlflow.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [ALLOWED]


def test_config_data_outputs_and_temporary_files_may_lie_anywhere(
    tmp_path: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _project(tmp_path / MISREAD, prefect_server, f"{MISREAD}.jsonl")
    refused = project.call("run", "config.yaml")
    assert refused.returncode == 2
    assert "in its path" in refused.stderr
    assert not (project.root / ".rnnflow").exists()
    (tmp_path / f"tmp {MISREAD}").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / f"tmp {MISREAD}"))
    monkeypatch.setenv("RNNFLOW_WORK_DIR", str(tmp_path / "my work"))
    done = project.call("run", "config.yaml", "--set", "training.max_steps=1")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (tmp_path / "my work" / "runs").iterdir()
    kept = yaml.safe_load((run / "config.yaml").read_text())
    assert kept["training"]["max_steps"] == 1
    done = project.call("export", "--output", f"model {MISREAD}")
    assert done.returncode == 0, done.stderr
    assert (project.root / f"model {MISREAD}" / "saved_model.pb").is_file()
    answers = f"answers {MISREAD}.jsonl"
    done = project.call("predict", "odd-names", f"{MISREAD}.jsonl", "--output", answers)
    assert done.returncode == 0, done.stderr
    assert len((project.root / answers).read_text().splitlines()) == 80
