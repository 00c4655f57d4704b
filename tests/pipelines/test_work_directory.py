"""The work directory: one run at a time, and every run can be found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.artifacts.storage import write_atomically
from components.errors import BusyError, NotFoundError, UserError
from pipelines.work_directory import CONFIG, Outcome, WorkDirectory, new_run_id

HOLD = """
import sys, time
from pathlib import Path
from pipelines.work_directory import WorkDirectory
with WorkDirectory(Path(sys.argv[1])).lock("held"):
    print("locked", flush=True)
    time.sleep(600)
"""


def _with_run(work: WorkDirectory, run_id: str) -> None:
    write_atomically(work.runs / run_id / CONFIG, "name: x\n")


def test_the_newest_run_is_the_default(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    for run_id in ("20260102-000000-aaaa", "20260101-000000-bbbb"):
        _with_run(work, run_id)
    assert work.run().name == "20260102-000000-aaaa"


def test_a_run_that_is_not_there_is_named_with_the_newest(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    with pytest.raises(NotFoundError, match="there is none yet"):
        work.run()
    _with_run(work, "20260101-000000-bbbb")
    with pytest.raises(NotFoundError, match="20260101-000000-bbbb"):
        work.run("other")


def test_an_outcome_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    outcome = Outcome("20260101-000000-bbbb", "x", "done", "Done.", (), 0)
    work.save_outcome(outcome)
    assert work.find_outcome(outcome.run_id) == outcome
    assert work.find_outcome("another") is None


def test_run_ids_sort_by_time() -> None:
    first, second = new_run_id(), new_run_id()
    assert first != second
    assert first[:15] <= second[:15]


def test_a_second_run_is_refused_while_one_goes_on_and_not_after_it_was_killed(
    tmp_path: Path,
) -> None:
    work = WorkDirectory(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "locked\n"
            with pytest.raises(BusyError, match=rf"run held, process {holder.pid}"):
                work.lock("mine").__enter__()
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    with work.lock("mine"):
        pass


def test_mlflow_is_a_file_of_the_work_directory_unless_the_environment_names_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert WorkDirectory(tmp_path).tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert WorkDirectory(tmp_path).tracking_uri == "http://127.0.0.1:5000"


def test_its_id_is_made_once_and_is_another_for_each(tmp_path: Path) -> None:
    with WorkDirectory(tmp_path / "one").lock("a") as first:
        pass
    with WorkDirectory(tmp_path / "one").lock("b") as again:
        pass
    with WorkDirectory(tmp_path / "two").lock("c") as other:
        pass
    assert first == again
    assert first.work_dir_id != other.work_dir_id


def test_the_run_that_holds_the_lock_is_running_and_no_other(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    assert work.running() is None
    with work.lock("20260101-000000-bbbb"):
        assert work.running() == "20260101-000000-bbbb"
    assert work.running() is None


def test_a_killed_run_gets_an_outcome_and_one_that_has_its_own_keeps_it(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    for run_id in ("20260101-000000-aaaa", "20260101-000000-bbbb"):
        _with_run(work, run_id)
    done = Outcome("20260101-000000-bbbb", "x", "done", "Done.", (), 0)
    work.save_outcome(done)
    for run_id in ("20260101-000000-aaaa", done.run_id, "not-here"):
        work.save_killed(run_id, "x", found_by="20260102-000000-cccc")
    killed = work.find_outcome("20260101-000000-aaaa")
    assert killed is not None
    assert killed.status == "killed"
    assert "20260102-000000-cccc" in killed.reason
    assert work.find_outcome(done.run_id) == done
    assert not (work.runs / "not-here").exists()


@pytest.mark.parametrize("character", [*"?#%*[]\\", "\n", "\x7f"])
def test_a_place_that_libraries_would_misread_is_refused_before_anything_is_made(
    tmp_path: Path, character: str
) -> None:
    for path in (tmp_path / f"a{character}b", tmp_path / f"a{character}b" / "work"):
        with pytest.raises(UserError, match="in its path") as caught:
            WorkDirectory.at(path)
        assert repr(character) in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_link_to_a_misread_place_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "a?b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a?b")
    with pytest.raises(UserError, match="in its path"):
        WorkDirectory.at(tmp_path / "link")


@pytest.mark.parametrize("name", ["a b", "é日本", "{x}", "$H & ; ' \" (y) ! , = + @ : ~ ^ | < >"])
def test_other_characters_are_taken(tmp_path: Path, name: str) -> None:
    assert WorkDirectory.at(tmp_path / name).root == tmp_path / name


def test_a_place_that_is_a_file_or_no_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="file is a file"):
            WorkDirectory.at(path)
    with pytest.raises(UserError, match="cannot be used"):
        WorkDirectory.at(tmp_path / "a\x00b")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UserError):
        WorkDirectory.at(tmp_path / "loop")
