"""The exporters of every evaluation and of the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rnn_core import ArgumentError, Exporter, FinalExporter, LatestExporter
from tests.rnn_core.export.exporters.samples import RecordingEstimator, names, receiver


def export(exporter: Exporter, estimator: Any, directory: Path, final: bool = False) -> Any:
    return exporter.export(estimator, str(directory), "model.ckpt-1", {"loss": 1.0}, final)


def test_the_latest_exporter_exports_every_evaluation(tmp_path: Path) -> None:
    estimator = RecordingEstimator(tmp_path)
    exporter = LatestExporter("latest", receiver, assets_extra={"a": "b"}, as_text=True)
    assert exporter.name == "latest"
    paths = [export(exporter, estimator, tmp_path / "latest") for _ in range(2)]
    assert [Path(path).name for path in paths] == names(tmp_path / "latest")
    settings = {"assets_extra": {"a": "b"}, "as_text": True, "checkpoint_path": "model.ckpt-1"}
    assert estimator.asked == [(receiver, settings)] * 2


def test_the_latest_exporter_keeps_the_newest_exports_and_what_is_no_export(
    tmp_path: Path,
) -> None:
    estimator, directory = RecordingEstimator(tmp_path), tmp_path / "latest"
    (directory / "12345").mkdir(parents=True)
    exporter = LatestExporter("latest", receiver, exports_to_keep=2)
    paths = [export(exporter, estimator, directory) for _ in range(4)]
    assert names(directory) == ["12345", *(Path(path).name for path in paths[2:])]


def test_all_exports_are_kept_if_no_number_is_given(tmp_path: Path) -> None:
    estimator = RecordingEstimator(tmp_path)
    exporter = LatestExporter("latest", receiver, exports_to_keep=None)
    for _ in range(7):
        export(exporter, estimator, tmp_path / "latest")
    assert len(names(tmp_path / "latest")) == 7


def test_the_final_exporter_exports_at_the_end_only(tmp_path: Path) -> None:
    estimator = RecordingEstimator(tmp_path)
    exporter = FinalExporter("final", receiver)
    assert export(exporter, estimator, tmp_path / "final") is None
    path = export(exporter, estimator, tmp_path / "final", final=True)
    assert names(tmp_path / "final") == [Path(path).name]


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_of_exports_must_be_positive(count: int) -> None:
    with pytest.raises(ArgumentError, match="exports_to_keep"):
        LatestExporter("latest", receiver, exports_to_keep=count)
