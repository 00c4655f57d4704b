"""Slurm's short lists, expanded: whatever is written short reads back whole."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ClusterError
from components.workers.slurm import expand_nodes, expand_tasks

PREFIXES = st.from_regex(r"[a-z][a-z0-9-]{0,5}[a-z]", fullmatch=True)
WIDTHS = st.integers(1, 4)


@pytest.mark.parametrize(
    ("nodelist", "names"),
    [
        ("node7", ["node7"]),
        ("node[01-03,7]", ["node01", "node02", "node03", "node7"]),
        ("gnode[10,20,25]", ["gnode10", "gnode20", "gnode25"]),
        ("a,b[1-2],c", ["a", "b1", "b2", "c"]),
        ("r[1-2]n[1-2]-ib", ["r1n1-ib", "r1n2-ib", "r2n1-ib", "r2n2-ib"]),
        ("n[08-11]", ["n08", "n09", "n10", "n11"]),
        ("n[099-100].cluster.org", ["n099.cluster.org", "n100.cluster.org"]),
    ],
)  # fmt: skip
def test_a_list_of_nodes_is_expanded_in_its_order(nodelist: str, names: list[str]) -> None:
    assert expand_nodes(nodelist) == tuple(names)


@pytest.mark.parametrize(
    "nodelist",
    ["", " ", "a,,b", "n[1-2", "n1-2]", "n[]", "n[3-1]", "n[a-b]", "n[1,,2]", "a b", "n[[1]]", ","],
)
def test_what_is_no_list_of_nodes_is_named(nodelist: str) -> None:
    with pytest.raises(ClusterError, match="expected a list of nodes") as caught:
        expand_nodes(nodelist)
    assert repr(nodelist) in str(caught.value)


@given(
    st.dictionaries(
        PREFIXES, st.tuples(WIDTHS, st.sets(st.integers(0, 1200), min_size=1)), min_size=1
    )
)
def test_names_that_are_written_short_read_back_whole(
    groups: dict[str, tuple[int, set[int]]],
) -> None:
    names = [
        f"{prefix}{number:0{width}}"
        for prefix, (width, numbers) in groups.items()
        for number in sorted(numbers)
    ]
    short = ",".join(
        f"{prefix}[{_ranges(sorted(numbers), width)}]"
        for prefix, (width, numbers) in groups.items()
    )
    assert expand_nodes(short) == tuple(names)


@given(st.lists(PREFIXES, min_size=1))
def test_plain_names_stay_as_they_are(names: list[str]) -> None:
    assert expand_nodes(",".join(names)) == tuple(names)


@given(st.lists(st.integers(1, 99), min_size=1))
def test_tasks_of_each_node_that_are_written_short_read_back_whole(counts: list[int]) -> None:
    groups = [(count, len(list(same))) for count, same in groupby(counts)]
    short = ",".join(f"{count}(x{n})" if n > 1 else str(count) for count, n in groups)
    assert expand_tasks(short) == tuple(counts)


@pytest.mark.parametrize("text", ["", "two", "2(x)", "2(3)", "1,,1", "-1"])
def test_what_is_no_list_of_tasks_is_named(text: str) -> None:
    with pytest.raises(ClusterError, match="expected numbers of tasks"):
        expand_tasks(text)


def _ranges(numbers: list[int], width: int) -> str:
    """``1,3-5``, as Slurm shortens neighbours."""
    parts = []
    for _, group in groupby(enumerate(numbers), lambda item: item[1] - item[0]):
        run = [number for _, number in group]
        ends = (run[0], run[-1]) if len(run) > 1 else (run[0],)
        parts.append("-".join(f"{number:0{width}}" for number in ends))
    return ",".join(parts)
