"""What is told of the passes follows from the files that their workers leave."""

from __future__ import annotations

import time
from pathlib import Path

from components.data.passes.progress import described, note_read, note_transformed, told


def test_nothing_is_told_before_a_chunk_is_read(tmp_path: Path) -> None:
    assert described(tmp_path, 4, 1.0) == ""


def test_rows_their_rate_and_the_time_that_is_left(tmp_path: Path) -> None:
    note_read(str(tmp_path), 0, 1_990, 10)
    assert described(tmp_path, 4, 2.0) == (
        "read 2,000 rows, 10 of them invalid, 1,000 a second, 6 s left"
    )
    assert described(tmp_path, 400, 2.0).endswith(" 1,000 a second, 13 min left")
    # A runner that reads a chunk again counts it once.
    note_read(str(tmp_path), 0, 1_990, 10)
    note_read(str(tmp_path), 1, 2_000, 0)
    assert described(tmp_path, 2, 4.0) == "read 4,000 rows, 10 of them invalid, 1,000 a second"


def test_once_rows_are_transformed_their_share_is_told(tmp_path: Path) -> None:
    note_read(str(tmp_path), 0, 300, 0)
    for _ in range(2):
        note_transformed(str(tmp_path), 100)
    assert described(tmp_path, 1, 4.0) == "read 300 rows, transformed 67%"


def test_it_is_told_while_the_block_runs_and_not_after_it(tmp_path: Path) -> None:
    said: list[str] = []
    note_read(str(tmp_path), 0, 10, 0)
    with told(tmp_path, 1, said.append):
        deadline = time.monotonic() + 30
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said[0].startswith("read 10 rows")
    count = len(said)
    time.sleep(0.6)
    assert len(said) == count
