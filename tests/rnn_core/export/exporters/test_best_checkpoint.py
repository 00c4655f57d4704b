"""The exporter that keeps the best checkpoint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from rnn_core import ArgumentError, BestCheckpointExporter
from rnn_core.storage import checkpoints


def export(directory: Path, step: int, value: float, **arguments: Any) -> str | None:
    """As in a process of its own: a new exporter each time."""
    keeper = checkpoints.Keeper(str(directory / "model"), None, 1e4)
    (directory / "model").mkdir(exist_ok=True)
    checkpoint = keeper.save({"global_step": tf.constant(step, tf.int64)}, step)
    (directory / "model" / f"model.ckpt-{step}.input.json").write_text("{}")
    exporter = BestCheckpointExporter(**arguments)
    metrics = {"average_loss": value, "accuracy": value}
    return exporter.export(None, str(directory / "best"), checkpoint, metrics, False)  # type: ignore[arg-type]


def test_only_a_better_evaluation_replaces_the_kept_checkpoint(tmp_path: Path) -> None:
    kept = [export(tmp_path, step, value) for step, value in enumerate([2.0, 3.0, 2.0, 1.0])]
    assert [path and Path(path).name for path in kept] == [
        "model.ckpt-0",
        None,
        None,
        "model.ckpt-3",
    ]
    assert checkpoints.latest(str(tmp_path / "best")) == str(tmp_path / "best" / "model.ckpt-3")
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == [
        "best.json",
        "checkpoint",
        "model.ckpt-3.data-00000-of-00001",
        "model.ckpt-3.index",
    ]


def test_any_number_is_better_than_none(tmp_path: Path) -> None:
    assert export(tmp_path, 1, math.nan) is not None
    assert export(tmp_path, 2, math.nan) is not None
    assert export(tmp_path, 3, 5.0) is not None
    assert export(tmp_path, 4, math.nan) is None


def test_a_metric_may_be_better_when_higher(tmp_path: Path) -> None:
    better = {"metric": "accuracy", "higher_is_better": True}
    assert export(tmp_path, 1, 0.5, **better) is not None
    assert export(tmp_path, 2, 0.4, **better) is None
    assert export(tmp_path, 3, 0.6, **better) is not None


def test_an_unknown_metric_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="accuracy, average_loss, got 'f1'"):
        export(tmp_path, 1, 0.5, metric="f1")
