"""The least limit counts, wherever it is set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.runtime import memory
from components.runtime.memory import memory_bytes

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of the control groups, in which this process is in none yet."""
    monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", tmp_path / "groups")
    (tmp_path / "groups").mkdir()
    return tmp_path / "groups"


def _limit(group: Path, file: str, text: str) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / file).write_text(text)


def test_without_limits_it_is_that_of_the_machine(groups: Path) -> None:
    assert memory_bytes() == MACHINE
    (groups.parent / "own").write_text("0::/none\n")
    assert memory_bytes() == MACHINE


def test_the_least_limit_of_a_group_and_those_around_it(groups: Path) -> None:
    (groups.parent / "own").write_text("0::/pod/container\n")
    _limit(groups / "pod", "memory.max", "3000\n")
    _limit(groups / "pod" / "container", "memory.max", "max\n")
    assert memory_bytes() == 3000
    _limit(groups / "pod" / "container", "memory.max", "2000\n")
    assert memory_bytes() == 2000


def test_groups_of_the_first_version(groups: Path) -> None:
    (groups.parent / "own").write_text("4:cpu,cpuacct:/job\n5:memory:/job\n")
    _limit(groups / "memory" / "job", "memory.limit_in_bytes", "1000\n")
    _limit(groups / "memory", "memory.limit_in_bytes", "9223372036854771712\n")
    assert memory_bytes() == 1000


def test_a_group_that_a_container_does_not_see_is_its_root(groups: Path) -> None:
    (groups.parent / "own").write_text("0::/of/the/host\n")
    _limit(groups, "memory.max", "500\n")
    assert memory_bytes() == 500
