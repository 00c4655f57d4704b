"""A run of the same work directory is gone if its lock is free, or if its heartbeat has stopped."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from components.artifacts.storage import locked_file
from components.tracking.owner import (
    BOOT_TAG,
    HEARTBEAT_TAG,
    LOCK_TAG,
    STALE_SECONDS,
    WORK_DIR_ID_TAG,
    Owner,
    heartbeat_tag,
    owner_of,
)

MINE = Owner("a" * 32, "host", "boot", "1:2")
LONG_AGO = {HEARTBEAT_TAG: f"{time.time() - STALE_SECONDS - 1:.0f}"}


def test_the_holder_of_a_lock_knows_that_an_earlier_holder_is_gone() -> None:
    assert MINE.proves_gone(MINE.tags())


@pytest.mark.parametrize("other", [{BOOT_TAG: "another"}, {LOCK_TAG: "1:3"}, {BOOT_TAG: ""}])
def test_any_other_run_is_gone_when_its_heartbeat_has_stopped(other: dict[str, str]) -> None:
    recorded = MINE.tags() | other
    assert not MINE.proves_gone(recorded)
    assert MINE.proves_gone(recorded | LONG_AGO)


def test_a_run_of_another_work_directory_is_never_gone() -> None:
    assert not MINE.proves_gone(MINE.tags() | LONG_AGO | {WORK_DIR_ID_TAG: "b" * 32})
    assert not MINE.proves_gone({})


def test_where_the_boot_is_not_known_the_lock_proves_nothing() -> None:
    unknown = dataclasses.replace(MINE, boot_id="")
    assert not unknown.proves_gone(unknown.tags())
    assert unknown.proves_gone(unknown.tags() | LONG_AGO)


def test_a_run_without_a_readable_heartbeat_is_left_alone() -> None:
    recorded: dict[str, str] = {WORK_DIR_ID_TAG: MINE.work_dir_id}
    assert not MINE.proves_gone(recorded)
    assert not MINE.proves_gone(recorded | {HEARTBEAT_TAG: "soon"})


def test_a_heartbeat_is_the_time() -> None:
    before = time.time()
    assert before - 1 <= float(heartbeat_tag()[HEARTBEAT_TAG]) <= time.time() + 1


def test_a_copy_of_a_work_directory_locks_another_file(tmp_path: Path) -> None:
    for name in ("original", "copy"):
        (tmp_path / name).mkdir()
    with (
        locked_file(tmp_path / "original" / "lock") as one,
        locked_file(tmp_path / "copy" / "lock") as two,
    ):
        original, copy = owner_of("x", one), owner_of("x", two)
    assert original.boot_id == copy.boot_id
    assert original.lock != copy.lock
    with locked_file(tmp_path / "original" / "lock") as again:
        assert owner_of("x", again) == original
