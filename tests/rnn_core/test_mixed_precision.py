"""Half precision that a program has set in Keras for other models changes no number in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

from rnn_core import UnsupportedError
from rnn_core.optimizers.optimizers import optimizer_spec
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of


class OwnCell(keras.layers.SimpleRNNCell):
    """Of a class that has no fast path."""


@pytest.fixture
def policy() -> Iterator[Any]:
    """Sets the dtype policy of Keras, for the length of a test."""
    before = keras.config.dtype_policy(), keras.config.floatx()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before[0])
    keras.config.set_floatx(before[1])


@pytest.mark.slow
def test_a_mixed_policy_changes_nothing(policy: Any, data: Data, tmp_path: Path) -> None:
    def trained(name: str) -> dict[str, Any]:
        estimator = make_estimator(
            tmp_path / name,
            cell_type=keras.layers.GRUCell,
            optimizer=lambda: keras.optimizers.AdamW(0.1, use_ema=True),
        )
        return weights_of(estimator.train(data.train_input, max_steps=2))

    plain = trained("plain")
    policy("mixed_float16")
    assert same_bits(trained("mixed"), plain)


@pytest.mark.parametrize("name", ["mixed_float16", "mixed_bfloat16"])
def test_an_own_cell_in_half_precision_is_refused(name: str, policy: Any, tmp_path: Path) -> None:
    policy(name)
    estimator = make_estimator(tmp_path, cell_type=OwnCell)
    with pytest.raises(UnsupportedError, match=f"own_cell: expected .* {name!r} .* not supported"):
        estimator.new_model("train")


@pytest.mark.parametrize("optimizer", ["Adagrad", lambda: keras.optimizers.AdamW(0.1)])
def test_a_rounded_learning_rate_is_refused(optimizer: Any, policy: Any) -> None:
    keras.config.set_floatx("float16")
    with pytest.raises(UnsupportedError, match="learning rate in float32, got one in float16"):
        optimizer_spec(optimizer)
