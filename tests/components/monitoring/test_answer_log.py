"""What is logged of answers, and what becomes of rows that cannot be."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.export.row_scoring import RowScores
from components.monitoring import answer_log
from components.monitoring.answer_log import AnswerLog
from components.monitoring.log_files import LogOptions, log_files

LABELS = ("no", "yes")
SCORES = RowScores(np.array([0.25, 0.75], np.float32), np.int64(1))
ROW: dict[str, Any] = {
    "id": "a",
    "name": "Ann",
    "prediction": "own",
    "context": {"age": 41, "city": "Bern"},
    "sequence": {"pulse": [61, 63]},
}


@contextmanager
def logging_to(folder: Path, **options: Any) -> Iterator[AnswerLog]:
    log = AnswerLog(LogOptions(folder, **options))
    try:
        yield log
    finally:
        log.close(60.0)


def put(log: AnswerLog, *rows: dict[str, Any], row_bytes: float = 100.0) -> list[str | None]:
    ids = log.ids(row.get("id", "") for row in rows)
    log.put(log.chosen(rows), ids, [SCORES] * len(rows), LABELS, 3, row_bytes)
    return ids


def lines(folder: Path) -> list[dict[str, Any]]:
    texts = (path.read_text() for path in log_files(folder))
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_a_row_is_logged_as_it_came_beside_its_answer(tmp_path: Path) -> None:
    with logging_to(tmp_path) as log:
        put(log, ROW)
    (line,) = lines(tmp_path)
    prediction = line.pop("prediction")
    assert line == {key: value for key, value in ROW.items() if key != "prediction"}
    assert prediction.pop("time").endswith("+00:00")
    assert prediction == {
        "label": "yes",
        "confidence": 0.75,
        "probabilities": {"no": 0.25, "yes": 0.75},
        "model_version": 3,
    }
    assert log.written_rows == 1


def test_a_row_without_an_id_gets_that_of_its_answer(tmp_path: Path) -> None:
    with logging_to(tmp_path) as log:
        ids = put(log, {"sequence": {}}, {"id": "b", "sequence": {}})
    assert [line["id"] for line in lines(tmp_path)] == ids
    assert len(str(ids[0])) == 32
    assert ids[1] == "b"


def test_fields_are_left_out_wherever_they_are(tmp_path: Path) -> None:
    with logging_to(tmp_path, dropped=frozenset({"id", "name", "age", "pulse"})) as log:
        assert put(log, ROW, {"sequence": {"pulse": [1]}}) == ["a", None]
    first, second = lines(tmp_path)
    assert len({first["id"], second["id"], "a"}) == 3
    assert (first["context"], first["sequence"]) == ({"city": "Bern"}, {})
    assert "name" not in first
    assert first["prediction"]["dropped"] == ["age", "id", "name", "pulse"]


def test_a_share_of_the_rows_is_logged(tmp_path: Path) -> None:
    with logging_to(tmp_path, share=0.25) as log:
        log._random.seed(1)
        put(log, *[ROW] * 2000)
    assert 400 < len(lines(tmp_path)) < 600
    assert log.lost_rows.total() == 0


def test_whole_numbers_of_any_size_are_logged(tmp_path: Path) -> None:
    with logging_to(tmp_path) as log:
        put(log, {"id": "a", "label": 1 << 70})
    assert lines(tmp_path)[0]["label"] == 1 << 70


def test_answers_to_steps_are_lists(tmp_path: Path) -> None:
    steps = RowScores(np.array([[0.25, 0.75], [1, 0]], np.float32), np.array([1, 0]))
    with logging_to(tmp_path) as log:
        log.put({0: ROW}, ["a"], [steps], LABELS, 3, 100.0)
    prediction = lines(tmp_path)[0]["prediction"]
    assert (prediction["label"], prediction["confidence"]) == (["yes", "no"], [0.75, 1.0])


def test_more_rows_than_may_wait_are_counted_and_not_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_log, "FLUSH_SECONDS", 3600.0)
    with logging_to(tmp_path) as log:
        put(log, ROW, ROW, row_bytes=2.0 * answer_log.MOST_WAITING_BYTES)
        assert log.lost_rows["busy"] == 1
    assert len(lines(tmp_path)) == 1


def test_a_row_that_is_larger_than_a_file_is_counted_and_not_logged(tmp_path: Path) -> None:
    with logging_to(tmp_path, max_bytes=3200) as log:
        put(log, ROW, {"id": "long", "sequence": {"pulse": [1] * 1000}}, ROW, ROW, ROW)
    assert [line["id"] for line in lines(tmp_path)] == ["a"] * 4
    assert log.lost_rows["too large"] == 1
    assert len(log_files(tmp_path)) == 2


def test_a_folder_that_fails_is_said_once_and_serving_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_log, "FLUSH_SECONDS", 0.01)
    folder = tmp_path / "log"
    with caplog.at_level(logging.INFO, "rnnflow.serving"), logging_to(folder) as log:
        shutil.rmtree(folder)
        folder.write_text("no folder")
        for lost in (1, 2):
            put(log, ROW)
            _until(lambda lost=lost: log.lost_rows["storage"] == lost)
        folder.unlink()
        put(log, ROW)
        _until(lambda: log.written_rows == 1)
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"cannot log answers in {folder}: ")
    assert "they are answered all the same" in first
    assert second == f"answers are logged again in {folder}"


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
