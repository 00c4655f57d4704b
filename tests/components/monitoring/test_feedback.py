"""Labels that came later, beside the answers of a log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.errors import DataError
from components.evaluation.intervals import wilson
from components.monitoring.feedback import Labels, judge, read_labels
from components.monitoring.findings import Feedback
from components.monitoring.logged import ServedLog
from tests.components.answer_logs import NOON, logged, write_log


def labels_of(**labels: Any) -> Labels:
    return read_labels(labels.items())


def judged(folder: Path, lines: list[dict[str, Any]], **labels: Any) -> Feedback:
    return judge(ServedLog(write_log(folder, lines)), labels_of(**labels))


def test_each_version_has_its_accuracy_with_its_interval(tmp_path: Path) -> None:
    lines = [logged({"id": f"a{n}"}, "yes", 0.5, version=3) for n in range(10)]
    lines += [logged({"id": f"b{n}"}, "yes", 0.75, version=4) for n in range(20)]
    truth = {f"a{n}": "yes" if n < 4 else "no" for n in range(10)}
    truth |= {f"b{n}": "yes" if n < 15 else "no" for n in range(16)}
    found = judged(tmp_path, lines, **truth, c="yes", d="no")
    newer, older = found.versions
    assert (newer.version, newer.rows, newer.answers, newer.confidence) == (4, 16, 16, 0.75)
    assert newer.accuracy == wilson(15, 16)
    assert (older.version, older.accuracy) == (3, wilson(4, 10))
    assert (found.labelled, found.matched, found.unmatched, found.unlabelled) == (28, 26, 2, 4)


def test_of_several_answers_to_an_id_the_last_one_of_a_version_counts(tmp_path: Path) -> None:
    lines = [
        logged({"id": "a"}, "no", seconds=NOON),
        logged({"id": "a"}, "yes", seconds=NOON + 5),
        logged({"id": "a"}, "no", seconds=NOON + 3),
        logged({"id": "a"}, "no", version=5),
    ]
    found = judged(tmp_path, lines, a="yes")
    assert [(each.version, each.accuracy.value) for each in found.versions] == [(5, 0), (4, 1)]
    assert (found.matched, found.labelled) == (1, 1)


def test_steps_of_a_row_count_together_and_those_that_do_not_fit_not_at_all(
    tmp_path: Path,
) -> None:
    lines = [
        logged({"id": "a"}, ["x", "y", "y"], [0.5, 1.0, None]),
        logged({"id": "b"}, ["x"], [0.75]),
        logged({"id": "c"}, ["x", "y"], [1.0, 1.0]),
    ]
    found = judged(tmp_path, lines, a=["x", "y", "x"], b=["x"], c=["x", "y", "y"])
    (one,) = found.versions
    assert (one.rows, one.answers, one.accuracy.value) == (2, 4, 0.75)
    assert 0.0 < one.accuracy.low < 0.75 < one.accuracy.high <= 1.0
    assert one.confidence == pytest.approx(0.75)
    assert found.misfits == 1


def test_labels_are_texts_whatever_the_file_has(tmp_path: Path) -> None:
    lines = [logged({"id": "1"}, "3"), logged({"id": "2"}, "true")]
    found = judge(ServedLog(write_log(tmp_path, lines)), read_labels([(1, 3), (2, True)]))
    assert found.versions[0].accuracy.value == 1.0


def test_rows_that_say_nothing_and_labels_that_contradict_are_counted(tmp_path: Path) -> None:
    labels = read_labels(
        [
            ("a", "yes"), ("a", "yes"), ("b", "yes"), ("b", "no"),
            ("c", None), (1.5, "no"), ("d", [None]), ("e", ""), (None, None),
        ]
    )  # fmt: skip
    assert (labels.by_id, labels.contradicting, labels.invalid) == ({"a": ("yes",)}, {"b"}, 5)
    found = judge(ServedLog(write_log(tmp_path, [logged({"id": "a"}, "yes")])), labels)
    assert (found.contradicting, found.invalid) == (1, 5)


def test_without_labels_or_ids_that_are_known_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected rows with an id and a label, found none among 1"):
        read_labels([("a", None)])
    with pytest.raises(DataError, match="none of 1 ids with a label is in the log"):
        judged(tmp_path, [logged({"id": "a"}, "yes")], b="yes")
