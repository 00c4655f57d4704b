"""The last findings, as files in the folder of a log."""

from __future__ import annotations

from pathlib import Path

from components.artifacts.drift import Drift, DriftCheck
from components.artifacts.values import Interval
from components.monitoring.findings import (
    Feedback,
    ServedCheck,
    VersionAccuracy,
    VersionAnswers,
    find_last,
    path_of,
    write_last,
)

CHECK = ServedCheck(
    "2026-01-31T12:00:00+00:00",
    Drift(4, 200, 2000, (DriftCheck("age", "value", None, 0.001, 0.3, "1", "2", True),)),
    3,
    (),
    (VersionAnswers(4, 200, {"yes": 150, "no": 50}, 0.875),),
    {"no": 0.5, "yes": 0.5},
)
FEEDBACK = Feedback(
    "2026-01-31T13:00:00+00:00",
    (VersionAccuracy(4, 40, 40, Interval(0.8, 0.7, 0.9), None),),
    50,
    40,
)


def test_what_is_kept_is_found_again_and_is_no_row(tmp_path: Path) -> None:
    assert find_last(tmp_path, ServedCheck) is None
    write_last(tmp_path, CHECK)
    write_last(tmp_path, FEEDBACK)
    assert find_last(tmp_path, ServedCheck) == CHECK
    assert find_last(tmp_path, Feedback) == FEEDBACK
    assert {path.suffix for path in tmp_path.iterdir()} == {".json"}


def test_what_another_release_wrote_is_none(tmp_path: Path) -> None:
    path_of(tmp_path, Feedback).write_text('{"version": 9}')
    assert find_last(tmp_path, Feedback) is None


def test_answers_are_held_against_the_training() -> None:
    assert CHECK.label_distance == 0.25
    assert FEEDBACK.unmatched == 10
