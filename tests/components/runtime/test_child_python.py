"""The environment of a Python process that another one starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from components.runtime.subprocesses import child_environment


def test_a_child_finds_this_project_wherever_it_is_started(tmp_path: Path) -> None:
    text = "import components; print(components.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path, env=child_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(done.stdout.strip()).parents[1] == Path(__file__).resolve().parents[3]


def test_what_the_user_set_is_kept_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv("MINE", "1")
    environment = child_environment()
    assert environment["PYTHONPATH"].split(":")[1] == "/mine"
    assert environment["MINE"] == "1"
    monkeypatch.delenv("PYTHONPATH")
    assert ":" not in child_environment()["PYTHONPATH"]
