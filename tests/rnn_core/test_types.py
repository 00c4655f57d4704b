"""Names that several modules share."""

from __future__ import annotations

from rnn_core import ModeKeys


def test_modes_have_the_values_of_tf_estimator() -> None:
    assert (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT) == ("train", "eval", "infer")
