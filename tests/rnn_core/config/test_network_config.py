"""What a network may have beside its layers of cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rnn_core import ArgumentError, ArgumentTypeError, ConvolutionLayer, NetworkConfig
from tests.rnn_core.samples import make_estimator


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"context": "each"}, "NetworkConfig.context: expected one of steps, head, both, got 'e"),
        ({"pooling": "median"}, "NetworkConfig.pooling: expected one of last, .*, got 'median'"),
        ({"bidirectional": 2}, "NetworkConfig.bidirectional: expected True or False, got 2"),
        ({"input_dropout": 1.0}, "NetworkConfig.input_dropout: expected a share from 0 to below 1"),
        ({"recurrent_dropout": "much"}, "NetworkConfig.recurrent_dropout: expected a share"),
        ({"front_end": ConvolutionLayer(3, 2)}, "NetworkConfig.front_end: expected a tuple"),
        ({"front_end": [3]}, "NetworkConfig.front_end: expected a ConvolutionLayer each"),
        ({"hidden_units": 3}, "NetworkConfig.hidden_units: expected a tuple"),
        ({"hidden_units": [0]}, "NetworkConfig.hidden_units: expected a whole number >= 1"),
        ({"pooling": None}, "NetworkConfig.pooling: expected one of"),
    ],
)
def test_a_setting_that_there_is_not_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        NetworkConfig(**wrong)


def test_the_argument_is_a_network_config_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArgumentTypeError, match="network: expected a NetworkConfig or None"):
        make_estimator(tmp_path, network={"pooling": "max"})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((0, 3), "ConvolutionLayer.filters: expected a whole number >= 1, got 0"),
        ((3, 2.5), "ConvolutionLayer.kernel_steps: expected a whole number"),
        ((3, 2, 3), "ConvolutionLayer.stride: expected no more than kernel_steps=2, .* got 3"),
    ],
)
def test_a_convolution_that_cannot_be_is_named(wrong: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        ConvolutionLayer(*wrong)
