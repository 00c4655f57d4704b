"""Small files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rnn_core import StorageError
from rnn_core.storage.files import name_of, read_json, storage_errors, with_prefix, write_text


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_text(path, "[1]")
    write_text(path, "[2]")
    assert read_json(path) == [2]
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("public")
    write_text(path, "secret", private=True)
    assert path.read_text() == "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_text(f"ram://{path}", "secret", private=True)


def test_a_file_that_is_not_there_reads_as_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "value.json") is None


def test_a_prefix_ends_at_a_dot(tmp_path: Path) -> None:
    for name in ("ckpt-1.index", "ckpt-1.input.index", "ckpt-10.index"):
        (tmp_path / name).touch()
    found = [name_of(path) for path in with_prefix(str(tmp_path / "ckpt-1"))]
    assert found == ["ckpt-1.index", "ckpt-1.input.index"]


def test_a_failed_write_names_the_directory(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=str(tmp_path)), storage_errors(tmp_path):
        raise OSError(28, "No space left on device")
