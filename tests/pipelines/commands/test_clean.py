"""``rnnflow clean`` says what it removes, and removes what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import BusyError, NotFoundError
from pipelines.commands.clean import clean
from pipelines.work_directory import WorkDirectory
from tests.components.mlflow_server import free_port
from tests.pipelines.upkeep.past_nights import leave_files, run_id_of
from tests.projects import RNNFLOW

CONFIG = """
name: x
data: {train: rows.jsonl}
features: {sequence: {x: {kind: numeric}}}
retention: {keep_runs: 1, keep_days: 0}
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkDirectory:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    made = WorkDirectory(tmp_path / ".rnnflow")
    for number in (1, 2):
        leave_files(made, "x", number)
    (tmp_path / "config.yaml").write_text(CONFIG)
    (made.temporary / "killed").mkdir(parents=True)
    return made


def test_a_dry_run_says_what_a_real_one_removes(
    work: WorkDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    clean(config, True, work.root)
    said = capsys.readouterr().out
    assert len(work.run_ids()) == 2
    assert f"runs/{run_id_of(1)}" in said
    assert "0.01 MB  artifacts/model/x0001" in said
    assert "tmp/killed" in said
    assert "5 entries would be removed" in said
    assert "keeps every run of x" in said
    clean(config, False, work.root)
    assert capsys.readouterr().out == said.replace("would be removed", "removed")
    assert work.run_ids() == [run_id_of(2)]
    clean(config, False, work.root)
    assert "0 entries removed" in capsys.readouterr().out


def test_without_a_config_the_runs_say_themselves_how_many_stay(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    clean(None, False, work.root)
    assert len(work.run_ids()) == 2
    with (work.runs / run_id_of(2) / "config.yaml").open("a") as file:
        file.write("retention: {keep_runs: 1, keep_days: 0}\n")
    clean(None, False, work.root)
    assert work.run_ids() == [run_id_of(2)]


def test_nothing_is_removed_while_a_run_goes_on(work: WorkDirectory, tmp_path: Path) -> None:
    with work.lock("a run"), pytest.raises(BusyError, match="another run is in progress"):
        clean(tmp_path / "config.yaml", False, work.root)
    assert len(work.run_ids()) == 2


def test_a_directory_without_runs_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is none yet"):
        clean(None, False, tmp_path / "none")


def test_the_command_line_has_it(work: WorkDirectory, tmp_path: Path) -> None:
    command = [RNNFLOW, "clean", "config.yaml", "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), sys.executable
    assert "would be removed" in done.stdout
