"""An outage is told in two lines, however many threads notice it."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest

from components.runtime.outage import LINES, Outage, pauses


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is said meanwhile."""
    said: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler, level = Listening(), LINES.level
    LINES.addHandler(handler)
    LINES.setLevel(logging.INFO)
    yield said
    LINES.removeHandler(handler)
    LINES.setLevel(level)


def test_one_line_says_that_the_server_is_away_and_one_that_it_is_back(lines: list[str]) -> None:
    outage = Outage()
    for _ in range(3):
        outage.begins("MLflow at http://h", "refused", "the run waits for it")
    assert lines == ["MLflow at http://h does not answer (refused): the run waits for it."]
    for _ in range(3):
        outage.ends()
    assert len(lines) == 2
    assert lines[1].startswith("MLflow at http://h answers again, after ")


def test_the_next_outage_is_told_again(lines: list[str]) -> None:
    outage = Outage()
    for _ in range(2):
        outage.begins("MLflow at http://h", "refused", "the run waits for it")
        outage.ends()
    assert len(lines) == 4


def test_a_server_that_answers_is_not_spoken_of(lines: list[str]) -> None:
    outage = Outage()
    outage.ends()
    assert not lines
    assert outage.seconds == 0


def test_the_pauses_grow_and_never_hide_for_long_that_the_server_is_back() -> None:
    assert list(itertools.islice(pauses(), 8)) == [0.5, 1, 2, 4, 8, 10, 10, 10]
