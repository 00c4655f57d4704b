"""Files of whole lines, of which there are never too many."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import UserError
from components.monitoring.log_files import LogFiles, LogOptions, log_files

ROOT = Path(__file__).resolve().parents[3]
LINE = b'{"id": "a"}\n'


def files_of(
    folder: Path, max_lines: int = 100, file_lines: int = 10, seconds: float = 60.0
) -> LogFiles:
    size = len(LINE)
    return LogFiles(
        LogOptions(
            folder, max_bytes=max_lines * size, file_bytes=file_lines * size, file_seconds=seconds
        )
    )


def sizes(folder: Path) -> list[int]:
    return sorted(len(path.read_bytes()) // len(LINE) for path in log_files(folder))


def test_a_file_ends_at_its_size(tmp_path: Path) -> None:
    files = files_of(tmp_path / "new" / "folder")
    for _ in range(5):
        files.append(4 * LINE)
    files.close()
    assert sizes(tmp_path / "new" / "folder") == [4, 8, 8]
    assert files.total_bytes == 20 * len(LINE)


def test_a_file_ends_at_its_age_and_begins_with_its_first_line(tmp_path: Path) -> None:
    files = files_of(tmp_path, seconds=0.0)
    assert log_files(tmp_path) == []
    for _ in range(3):
        files.append(LINE)
    files.close()
    assert sizes(tmp_path) == [1, 1, 1]


def test_the_oldest_files_are_removed_where_there_is_no_room(tmp_path: Path) -> None:
    (tmp_path / "answers-0.jsonl").write_bytes(30 * LINE)
    (tmp_path / "other.jsonl").write_bytes(500 * LINE)
    files = files_of(tmp_path, max_lines=40)
    for count in range(100):
        files.append(LINE)
        assert sum(sizes(tmp_path)) <= 40, count
        assert (tmp_path / "answers-0.jsonl").exists() == (count < 10)
    files.close()
    assert sum(sizes(tmp_path)) >= 30
    assert (tmp_path / "other.jsonl").exists()


def test_a_file_that_another_server_writes_is_not_removed(tmp_path: Path) -> None:
    others = [files_of(tmp_path, max_lines=40) for _ in range(4)]
    for each in others:
        each.append(9 * LINE)
    files = files_of(tmp_path, max_lines=40)
    with pytest.raises(OSError, match="files that servers are writing") as raised:
        files.append(5 * LINE)
    assert raised.value.errno == errno.EDQUOT
    assert sizes(tmp_path) == [9, 9, 9, 9]
    others[0].close()
    files.append(5 * LINE)
    assert sizes(tmp_path) == [5, 9, 9, 9]
    for each in (*others, files):
        each.close()


def test_a_file_that_somebody_removed_is_followed_by_another(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    files.append(LINE)
    (path,) = log_files(tmp_path)
    path.unlink()
    files.append(2 * LINE)
    files.close()
    assert sizes(tmp_path) == [2]


def test_of_a_line_that_did_not_fit_on_the_disk_nothing_is_left(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    files.append(LINE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(2.5 * len(LINE)), before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            files.append(2 * LINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sizes(tmp_path) == [1]
    files.append(3 * LINE)
    files.close()
    assert sizes(tmp_path) == [1, 3]


_ENDLESS = """
import sys
from pathlib import Path
from components.monitoring.log_files import LogFiles, LogOptions
files = LogFiles(LogOptions(Path(sys.argv[1]), file_bytes=100_000, max_bytes=1_000_000))
while True:
    files.append(b'{"id": "a"}\\n' * 5000)
    print(flush=True)
"""


def test_what_is_killed_leaves_whole_lines_and_all_that_were_appended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _ENDLESS, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        process.kill()
    lines = [line for path in log_files(tmp_path) for line in path.read_bytes().splitlines(True)]
    # The system may have been in the middle of the very last one.
    assert sum(line != LINE for line in lines) <= 1
    assert len(lines) >= 25_000


def test_only_its_user_and_group_read_it(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    files.append(LINE)
    files.close()
    (path,) = log_files(tmp_path)
    assert path.stat().st_mode & 0o007 == 0


def test_a_folder_that_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--log: expected a folder .* Not a directory"):
        files_of(tmp_path / "file" / "log").check_writable()
    with pytest.raises(UserError, match=r"--log: expected a folder .* File exists"):
        files_of(tmp_path / "file").check_writable()
    files_of(tmp_path / "log").check_writable()
    assert list((tmp_path / "log").iterdir()) == []
