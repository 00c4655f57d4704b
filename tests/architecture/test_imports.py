"""The shape of the house, held by machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("tensorflow", "keras", "mlflow", "prefect", "apache_beam", "tensorflow_transform", "numpy")


def _modules_after(statement: str) -> set[str]:
    code = f"{statement}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_loads_no_heavy_library() -> None:
    loaded = _modules_after("import pipelines.cli")
    assert loaded.isdisjoint(HEAVY)


def test_reading_a_config_loads_no_heavy_library() -> None:
    loaded = _modules_after("import pipelines.config")
    assert loaded.isdisjoint(HEAVY)


def test_the_gate_loads_no_heavy_library() -> None:
    loaded = _modules_after("import components.evaluation.gate")
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("statement", ["import rnn_core", "import rnn_core.names"])
def test_rnn_core_alone_loads_no_heavy_library(statement: str) -> None:
    assert _modules_after(statement).isdisjoint(HEAVY)


def test_a_name_that_rnn_core_lacks_loads_no_heavy_library_if_it_is_private() -> None:
    loaded = _modules_after("import rnn_core; assert not hasattr(rnn_core, '__wrapped__')")
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("library", ["mlflow", "prefect", "apache_beam", "tensorflow_transform"])
def test_rnn_core_can_be_lifted_out(library: str) -> None:
    assert library not in _rnn_core_modules()


def test_the_flow_is_short() -> None:
    code = (ROOT / "pipelines" / "training.py").read_text().partition("with PipelineRun")[2]
    assert len(code.splitlines()) <= 40


_LOADED: set[str] = set()


def _rnn_core_modules() -> set[str]:
    if not _LOADED:
        _LOADED.update(_modules_after("import rnn_core.public"))
    return _LOADED
