"""Features by name, as every model of this package takes them."""

from __future__ import annotations

from collections.abc import Mapping

from rnn_core.errors import FeatureError
from rnn_core.types import Features, TensorLike


def named_features(features: Features | TensorLike) -> dict[str, TensorLike]:
    """Features by name.

    Raises:
        FeatureError: they are not a dict.
    """
    if not isinstance(features, Mapping):
        raise FeatureError(
            "input_fn: expected (features, labels) or features, with features a dict from name to "
            f"tensor, got {type(features).__name__}."
        )
    return dict(features)
