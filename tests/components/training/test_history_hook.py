"""What the hooks write to a history; the trainings of ``test_model`` show them at work."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from components.artifacts.history import append_point, read_history
from components.training.history_hook import Recorder, ValidationRecorder

EVALUATION = {"accuracy": 0.5, "average_loss": 1.5, "macro_f1": 0.4, "loss": 3.0, "global_step": 4}


def _recorder(history: Path | None, told: list[tuple[int, dict[str, float]]]) -> Recorder:
    return Recorder(history, 2, lambda step, metrics: told.append((step, dict(metrics))))


def _context(step: int, loss: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, loss=loss)


def _evaluated(recorder: Recorder) -> None:
    ValidationRecorder(recorder).export(None, "", "", EVALUATION, False)


def test_every_loss_and_every_evaluation_is_written_and_told(tmp_path: Path) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    recorder = _recorder(tmp_path / "history.jsonl", told)
    recorder.begin(_context(0))
    recorder.after_steps(_context(4, 0.25))
    _evaluated(recorder)
    written = [
        (point.step, dict(point.metrics)) for point in read_history(tmp_path / "history.jsonl")
    ]
    evaluated = {
        "validation/accuracy": 0.5, "validation/average_loss": 1.5, "validation/macro_f1": 0.4,
    }  # fmt: skip
    assert written == told == [(4, {"train/loss": 0.25}), (4, evaluated)]


def test_an_evaluation_that_is_there_is_not_written_twice(tmp_path: Path) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    recorder = _recorder(tmp_path / "history.jsonl", told)
    _evaluated(recorder)
    _evaluated(recorder)
    assert len(told) == 1


def test_what_will_be_trained_again_is_dropped_at_the_begin(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        append_point(tmp_path / "history.jsonl", step, {"train/loss": 1.0})
    _recorder(tmp_path / "history.jsonl", []).begin(_context(4))
    assert [point.step for point in read_history(tmp_path / "history.jsonl")] == [2, 4]


def test_a_worker_that_is_not_the_chief_writes_and_tells_nothing(tmp_path: Path) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    recorder = _recorder(None, told)
    recorder.begin(_context(0))
    recorder.after_steps(_context(4, 0.25))
    _evaluated(recorder)
    assert told == []
    assert recorder.every_steps == 2
    assert list(tmp_path.iterdir()) == []
