"""An artifact appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifacts.storage import (
    building,
    digest_of_file,
    is_complete,
    is_resumable,
    left_by_a_kill,
    partial_of,
    size_of,
    storage_errors,
    write_atomically,
)
from components.errors import StorageError

BUILD_AND_DIE = """
import os, signal, sys
from pathlib import Path
from components.artifacts.storage import building
with building(Path(sys.argv[1])) as partial:
    (partial / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_finished_build_is_complete(tmp_path: Path) -> None:
    with building(tmp_path / "a") as partial:
        (partial / "x").write_text("1")
        assert not (tmp_path / "a").exists()
    assert is_complete(tmp_path / "a")
    assert (tmp_path / "a" / "x").read_text() == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_a_build_that_failed_leaves_what_was_there(tmp_path: Path) -> None:
    with building(tmp_path / "a") as partial:
        (partial / "x").write_text("old")

    def fail() -> None:
        with building(tmp_path / "a") as partial:
            (partial / "x").write_text("new")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    assert (tmp_path / "a" / "x").read_text() == "old"


def test_a_killed_build_leaves_no_artifact_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    target = tmp_path / "a"
    done = subprocess.run([sys.executable, "-c", BUILD_AND_DIE, str(target)], check=False)
    assert done.returncode == -9
    assert not is_complete(target)
    with building(target) as partial:
        assert not (partial / "part").exists()


def test_a_killed_build_can_be_resumed(tmp_path: Path) -> None:
    target = tmp_path / "a"
    subprocess.run([sys.executable, "-c", BUILD_AND_DIE, str(target)], check=False)
    with building(target, resume=True) as partial:
        assert (partial / "part").read_text() == "half"
    assert is_complete(target)


def test_what_an_error_leaves_is_kept_for_a_build_that_resumes(tmp_path: Path) -> None:
    def fail() -> None:
        with building(tmp_path / "a", resume=True) as partial:
            (partial / "part").write_text("half")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    with building(tmp_path / "a", resume=True) as partial:
        assert (partial / "part").read_text() == "half"


@given(old=st.binary(max_size=200), new=st.binary(max_size=200))
def test_a_file_holds_the_old_content_or_the_new(
    tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes
) -> None:
    path = tmp_path_factory.mktemp("files") / "file"
    write_atomically(path, old)
    write_atomically(path, new)
    assert path.read_bytes() == new
    assert [child.name for child in path.parent.iterdir()] == ["file"]


def test_a_full_disk_is_a_clear_error_and_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from components.artifacts.storage import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_atomically(Path(sys.argv[1]), b'x' * 5000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert "StorageError: cannot write" in done.stderr
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "folder", "text")
    assert [child.name for child in tmp_path.iterdir()] == ["folder"]


def test_the_path_that_was_written_is_named_and_not_what_it_was_for(tmp_path: Path) -> None:
    def fail() -> None:
        with storage_errors(tmp_path / "artifact"), storage_errors(tmp_path / "artifact" / "file"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError, match=r"cannot write .*/artifact/file: No space left"):
        fail()


def test_an_error_that_is_not_the_disks_passes_through(tmp_path: Path) -> None:
    def fail(code: int) -> None:
        with storage_errors(tmp_path):
            raise OSError(code, os.strerror(code))

    with pytest.raises(StorageError, match="No space left"):
        fail(errno.ENOSPC)
    with pytest.raises(ConnectionResetError):
        fail(errno.ECONNRESET)


def test_a_digest_is_that_of_the_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("same")
    (tmp_path / "c").write_text("other")
    digests = [digest_of_file(tmp_path / name) for name in "abc"]
    assert digests[0] == digests[1] != digests[2]


def test_a_partial_directory_says_whether_the_next_build_continues_it(tmp_path: Path) -> None:
    for name, resume in (("plain", False), ("resumed", True)):
        with contextlib.suppress(KeyboardInterrupt), building(tmp_path / name, resume=resume) as at:
            assert is_resumable(at) is resume
            raise KeyboardInterrupt
    assert is_resumable(partial_of(tmp_path / "resumed"))
    with building(tmp_path / "resumed", resume=True):
        pass
    assert not is_resumable(tmp_path / "resumed")


def test_a_file_that_a_kill_left_is_known_by_its_name(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from components.artifacts import storage
storage.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
storage.write_atomically(Path(sys.argv[1]), "x")
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "file.json"], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left_by_a_kill(left)
    for name in (".gitignore", ".DS_Store", "file.json", ".file.json"):
        (tmp_path / name).touch()
        assert not left_by_a_kill(tmp_path / name)


def test_the_size_of_a_directory_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "a", tmp_path / "folder" / "b"):
        path.write_bytes(b"12345")
    assert size_of(tmp_path) == 10
    assert size_of(tmp_path / "a") == 5
