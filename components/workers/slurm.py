"""The short forms in which Slurm writes lists of nodes and of numbers of tasks."""

from __future__ import annotations

import itertools
import re

from components.errors import ClusterError

_PIECE = re.compile(r"[^\[\],\s]+|\[[\d,-]+\]")
"""Plain text, or numbers and ranges in brackets."""
_TASKS = re.compile(r"(?P<tasks>\d+)(?:\(x(?P<nodes>\d+)\))?")


def expand_nodes(nodelist: str) -> tuple[str, ...]:
    """The names in a list such as ``node[01-03,7],gpu5``, in its order.

    Raises:
        ClusterError: it is no such list.
    """
    # The commas between entries, and not those in brackets.
    entries = re.split(r",(?![^\[]*\])", nodelist.strip())
    return tuple(name for entry in entries for name in _expand_entry(entry, nodelist))


def expand_tasks(tasks_per_node: str) -> tuple[int, ...]:
    """The tasks of each node from a list such as ``2(x3),1``.

    Raises:
        ClusterError: it is no such list.
    """
    counts: list[int] = []
    for entry in tasks_per_node.split(","):
        found = _TASKS.fullmatch(entry.strip())
        if found is None:
            raise ClusterError(
                f"expected numbers of tasks such as '2(x3),1' from Slurm, got {tasks_per_node!r}."
            )
        counts += [int(found["tasks"])] * int(found["nodes"] or 1)
    return tuple(counts)


def _expand_entry(entry: str, nodelist: str) -> list[str]:
    pieces = _PIECE.findall(entry)
    if not pieces or "".join(pieces) != entry:
        raise _malformed(nodelist)
    choices = [
        [number for part in piece[1:-1].split(",") for number in _numbers(part, nodelist)]
        if piece.startswith("[")
        else [piece]
        for piece in pieces
    ]
    # Slurm expands several brackets as nested loops, the last one fastest.
    return ["".join(parts) for parts in itertools.product(*choices)]


def _numbers(part: str, nodelist: str) -> list[str]:
    """``01-03`` with its leading zeros, or one number as it is."""
    first, dash, last = part.partition("-")
    if not dash and first.isdigit():
        return [first]
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise _malformed(nodelist)
    return [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]


def _malformed(nodelist: str) -> ClusterError:
    return ClusterError(f"expected a list of nodes such as 'node[01-03,7]', got {nodelist!r}.")
