"""The tree of errors."""

from __future__ import annotations

import pytest

import rnn_core
from rnn_core import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ArgumentError, ValueError),
        (errors.UnsupportedError, NotImplementedError),
        (errors.FeatureError, ValueError),
        (errors.MissingFeatureError, KeyError),
        (errors.LabelError, ValueError),
        (errors.EmptyInputError, ValueError),
        (errors.InputPositionError, ValueError),
        (errors.NanLossDuringTrainingError, RuntimeError),
        (errors.CheckpointError, ValueError),
        (errors.ArchitectureError, ValueError),
        (errors.StorageError, OSError),
    ],
)
def test_each_error_is_also_what_the_old_interface_raised(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, builtin)
    assert issubclass(error, errors.RnnCoreError)
    assert getattr(rnn_core, error.__name__) is error


def test_a_missing_feature_prints_its_message_without_quotes() -> None:
    assert str(errors.MissingFeatureError("Feature 'x' is gone")) == "Feature 'x' is gone"
