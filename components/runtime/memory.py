"""How much memory this process may have: the machine's, or less by a limit of its container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def memory_bytes() -> int:
    """The least of the machine's memory and the limits of all control groups around this process.

    Kubernetes, Docker, systemd and Slurm set such limits; a process beyond one is killed.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits(_OWN_GROUPS, _CONTROL_GROUPS)])


def _limits(own_groups: Path, control_groups: Path) -> Iterator[int]:
    """The limits of the groups that this process is in, and of those around them, in bytes."""
    try:
        lines = own_groups.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        # "0::/a/b" of version 2; of version 1 "5:memory:/a/b", below a folder of its own.
        _, controllers, name = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, file = (
            (control_groups / "memory", "memory.limit_in_bytes")
            if controllers
            else (control_groups, "memory.max")
        )
        group = root / name.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root):
                yield from _limit(folder / file)


def _limit(file: Path) -> Iterator[int]:
    try:
        text = file.read_text().strip()
    except OSError:
        # No such group, as in a container that sees its own group as the root.
        return
    if text.isdecimal():
        yield int(text)
