"""What killed runs left half made, which the next start removes; a place for temporary files."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.artifacts.storage import is_resumable, left_by_a_kill
from pipelines.work_directory import CONFIG, WorkDirectory


def find_leftovers(work: WorkDirectory) -> list[Path]:
    """What no run will continue with; call it while the work directory's lock is held.

    What an interrupted training has saved is none: the next run with the same fingerprint continues
    from it.
    """
    return [
        *work.temporary.glob("*"),
        *(path for path in work.artifacts.glob("*/*.partial") if not is_resumable(path)),
        *work.champions.glob("*.partial"),
        # Killed before its first file was there: no command knows of such a run.
        *(path for path in work.runs.glob("*") if not (path / CONFIG).is_file()),
        *(path for path in work.runs.glob("*/.*") if left_by_a_kill(path)),
        *(path for path in work.root.glob(".*") if left_by_a_kill(path)),
    ]


def remove(path: Path) -> None:
    """Removes a file or a directory; one that is gone already, or cannot be removed, is left."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def temporary_directory(path: Path) -> Iterator[None]:
    """Makes a directory the place of temporary files, also of the processes that are started.

    A process that is killed cannot remove its temporary files, such as the code that TensorFlow
    generates. Below the work directory the next start finds them; in the system's own directory
    nobody could say whose they are.
    """
    path.mkdir(parents=True, exist_ok=True)
    environment, chosen = os.environ.get("TMPDIR"), tempfile.tempdir
    # Both: Python keeps the place that it found first, and other programs read the environment.
    os.environ["TMPDIR"] = tempfile.tempdir = str(path)
    try:
        yield
    finally:
        tempfile.tempdir = chosen
        if environment is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = environment
        remove(path)
