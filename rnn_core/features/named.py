"""Features by name, as every model of this package takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnn_core.errors import FeatureError


def named_features(features: Any) -> dict[str, Any]:
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
