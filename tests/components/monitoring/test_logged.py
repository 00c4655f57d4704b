"""A log is read while it is written, and after a crash."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.errors import NotFoundError
from components.monitoring.logged import ServedLog
from tests.components.answer_logs import NOON, logged, write_log

ROW = {"id": 7, "sequence": {"x": [1.0]}}


def test_the_answers_of_all_files_are_read_in_their_order(tmp_path: Path) -> None:
    write_log(tmp_path, [logged(ROW, "no", None)], "2")
    write_log(tmp_path, [logged(ROW, "yes", 0.5, version=3, dropped=("age",))], "1")
    (tmp_path / "last_check.json").write_text("{}")
    log = ServedLog(tmp_path)
    first, second = log.answers()
    assert (first.row_id, first.row, first.label, first.confidence) == ("7", ROW, "yes", 0.5)
    assert (first.version, first.seconds, first.dropped) == (3, NOON, ("age",))
    assert (second.label, second.confidence, second.dropped) == ("no", None, ())
    assert log.dropped() == {"age"}


def test_a_line_without_its_end_is_not_read_and_what_is_none_is_counted(tmp_path: Path) -> None:
    write_log(tmp_path, [logged(ROW, "yes"), ROW, logged({}, "yes"), {"id": 1, "prediction": 3}])
    with (tmp_path / "answers-1.jsonl").open("a") as file:
        file.write('no JSON\n[1]\n{"id": "torn"')
    log = ServedLog(tmp_path)
    assert [answer.label for answer in log.answers()] == ["yes"]
    assert log.unreadable_lines == 5
    assert len(list(log.answers())) == 1
    assert log.unreadable_lines == 5


def test_answers_of_before_a_time_are_passed_over(tmp_path: Path) -> None:
    times = (NOON - 10, NOON, NOON + 10)
    write_log(tmp_path, [logged(ROW, "new", seconds=each) for each in times], "2")
    write_log(tmp_path, [logged(ROW, "old", seconds=NOON + 99)], "1")
    # By its age nothing in it can be new.
    os.utime(tmp_path / "answers-1.jsonl", (NOON - 1, NOON - 1))
    found = ServedLog(tmp_path, NOON).answers()
    assert [(answer.label, answer.seconds) for answer in found] == [
        ("new", NOON),
        ("new", NOON + 10),
    ]


def test_a_file_that_is_removed_meanwhile_is_none(tmp_path: Path) -> None:
    for name in ("1", "2"):
        write_log(tmp_path, [logged(ROW, name)], name)
    answers = ServedLog(tmp_path).answers()
    assert next(answers).label == "1"
    (tmp_path / "answers-2.jsonl").unlink()
    assert list(answers) == []


def test_who_has_no_log_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"serve NAME --log FOLDER.* holds no answers"):
        ServedLog(tmp_path)
    with pytest.raises(NotFoundError, match="is no folder"):
        ServedLog(tmp_path / "missing")
