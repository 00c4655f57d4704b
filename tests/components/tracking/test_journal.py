from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import StorageError
from components.tracking.journal import Cursor, Journal, without_credentials

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), min_size=1, max_size=6)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "runs" / "r" / "tracking.jsonl")


def events(journal: Journal, offset: int = 0) -> list[object]:
    return [event for event, _ in journal.read(offset)]


def test_a_journal_that_was_never_written_is_empty(journal: Journal) -> None:
    assert events(journal) == []
    assert journal.cursor() == Cursor()
    assert journal.unsent() == 0


@pytest.mark.slow
@given(batches=st.lists(EVENTS, min_size=1, max_size=3))
def test_events_come_back_as_they_were_and_in_order(
    batches: list[list[dict[str, object]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "tracking.jsonl")
    for batch in batches:
        journal.append(batch)
    assert events(journal) == [event for batch in batches for event in batch]


def test_reading_continues_behind_any_event(journal: Journal) -> None:
    journal.append({"event": i} for i in range(4))
    offsets = [offset for _, offset in journal.read()]
    assert [events(journal, offset) for offset in offsets] == [
        [{"event": i} for i in range(done, 4)] for done in range(1, 5)
    ]


@given(cut=st.integers(min_value=1, max_value=40))
def test_a_line_torn_off_by_a_kill_counts_as_never_written(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "tracking.jsonl")
    last = {"event": "last", "text": "x" * 40}
    journal.append([{"event": "first"}])
    journal.append([last])
    with journal.path.open("r+b") as file:
        file.truncate(journal.path.stat().st_size - cut)
    assert events(journal) == [{"event": "first"}]
    journal.append([{"event": "next"}])
    assert events(journal) == [{"event": "first"}, {"event": "next"}]


def test_a_torn_line_longer_than_a_block_is_dropped_whole(journal: Journal) -> None:
    journal.append([{"event": "first"}])
    with journal.path.open("ab") as file:
        file.write(b"x" * 200_000)
    journal.append([{"event": "next"}])
    assert events(journal) == [{"event": "first"}, {"event": "next"}]


def test_the_cursor_says_what_is_unsent(journal: Journal) -> None:
    journal.append({"event": i} for i in range(3))
    (_, first), *_ = journal.read()
    journal.move_cursor(Cursor(first, {"pipeline": "abc"}, attempts=2))
    assert journal.unsent() == 2
    assert Journal(journal.path).cursor() == Cursor(first, {"pipeline": "abc"}, attempts=2)


def test_a_refused_event_is_kept_with_its_reason(journal: Journal) -> None:
    journal.reject({"event": "log_params", "key": "model"}, "it changed")
    lines = journal.rejected_path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"reason": "it changed", "event": "log_params", "key": "model"}
    ]


def test_threads_do_not_tear_each_others_lines(journal: Journal) -> None:
    def write(thread: int) -> None:
        for i in range(20):
            Journal(journal.path).append([{"thread": thread, "i": i, "text": "y" * 500}])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = events(journal)
    assert len(found) == 80
    for number in range(4):
        mine = [e for e in found if isinstance(e, dict) and e["thread"] == number]
        assert [e["i"] for e in mine] == list(range(20))


def test_a_journal_that_cannot_be_written_is_a_storage_error() -> None:
    # /proc refuses new directories even to root, which a mode of a directory does not.
    with pytest.raises((StorageError, FileNotFoundError)):
        Journal(Path("/proc/rnnflow/tracking.jsonl")).append([{"event": "open"}])


def test_a_user_and_password_are_not_shown() -> None:
    assert without_credentials("https://me:secret@host:5000/x") == "https://host:5000/x"
    assert without_credentials("sqlite:////a@b/mlflow.db") == "sqlite:////a@b/mlflow.db"
