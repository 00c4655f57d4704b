"""A start removes what killed runs left, and nothing that a later run continues or needs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from components.artifacts.storage import building, partial_of
from pipelines.upkeep.leftovers import find_leftovers, remove, temporary_directory
from pipelines.work_directory import WorkDirectory
from tests.pipelines.upkeep.past_nights import leave_files, run_id_of


def _interrupt(directory: Path, *, resume: bool) -> Path:
    """What a kill leaves of a build."""
    with contextlib.suppress(KeyboardInterrupt), building(directory, resume=resume) as partial:
        (partial / "checkpoint").touch()
        if resume:
            raise KeyboardInterrupt
        partial.rename(directory.parent / "kept")
        raise KeyboardInterrupt
    if not resume:
        (directory.parent / "kept").rename(partial_of(directory))
    return partial_of(directory)


def test_what_no_run_continues_is_found_and_the_rest_is_not(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    leave_files(work, "x", 1)
    training = _interrupt(work.artifacts / "model" / "aaaa", resume=True)
    left = [
        _interrupt(work.artifacts / "examples" / "bbbb", resume=False),
        _interrupt(work.champions / "x-1-cccc", resume=False),
        work.temporary / "20260101-000000-aaaa",
        work.runs / "20260101-000000-bbbb",
        work.runs / run_id_of(1) / ".outcome.json.abcd_123",
        work.root / ".id.abcd_123",
    ]
    for path in left[2:4]:
        path.mkdir(parents=True)
    for path in left[4:]:
        path.touch()
    (work.root / ".gitignore").write_text("*\n")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with work.lock("now"):
        assert set(find_leftovers(work)) == set(left)
        for path in left:
            remove(path)
        assert find_leftovers(work) == []
    gone = {path for path in before if not path.exists()}
    assert all(any(path.is_relative_to(each) for each in left) for path in gone)
    assert (training / "checkpoint").is_file()


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")


@pytest.mark.parametrize("set_before", [True, False])
def test_temporary_files_lie_in_the_directory_of_the_run_also_those_of_children(
    tmp_path: Path, set_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if set_before:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
    else:
        monkeypatch.delenv("TMPDIR", raising=False)
    before = (os.environ.get("TMPDIR"), tempfile.gettempdir())
    place = tmp_path / "tmp" / "run"
    program = "import tempfile; print(tempfile.mkdtemp())"
    with temporary_directory(place):
        made = [Path(tempfile.mkdtemp())]
        child = subprocess.run([sys.executable, "-c", program], stdout=-1, text=True, check=True)
        made.append(Path(child.stdout.strip()))
        assert [path.parent for path in made] == [place, place]
        assert all(path.is_dir() for path in made)
    assert not place.exists()
    assert (os.environ.get("TMPDIR"), tempfile.gettempdir()) == before
