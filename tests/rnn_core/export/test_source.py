"""Which checkpoint is exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnn_core import CheckpointError
from rnn_core.export.mode_graph import checkpoint_to_export
from tests.rnn_core.export import samples
from tests.rnn_core.samples import make_estimator


def test_the_newest_checkpoint_is_exported_unless_one_is_named(tmp_path: Path) -> None:
    estimator = samples.untrained(tmp_path / "model")
    assert checkpoint_to_export(estimator, None) == str(tmp_path / "model" / "model.ckpt-1")
    assert checkpoint_to_export(estimator, "other") == "other"


def test_without_a_checkpoint_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train first"):
        checkpoint_to_export(make_estimator(tmp_path), None)
