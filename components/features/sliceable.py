"""By what test rows can be sliced: the context's single values, the steps, and the time."""

from __future__ import annotations

from typing import NamedTuple

from components.config import DataConfig
from components.features.config import AnyFeature, FeaturesConfig
from components.slice_expression import LENGTH, TIME, Known


class Column(NamedTuple):
    """What a slice may name: the key of its values, and what an expression may say of them."""

    key: str
    known: Known
    subtracted: float = 0.0
    """What was taken from each number, as ``subtract`` of the feature says."""


def sliceable(features: FeaturesConfig, data: DataConfig) -> dict[str, Column]:
    """By name: a feature has two where the rows call it otherwise than the config."""
    single = {
        key: feature
        for key, feature in features.context.items()
        if feature.raw.values_per_step == 1
    }
    columns = {key: _column(key, feature) for key, feature in single.items()}
    in_rows = {feature.in_rows(key): columns[key] for key, feature in single.items()}
    own = {LENGTH: Column(LENGTH, Known("whole number", 1, data.max_row_steps))}
    if data.split.time is not None:
        own[TIME] = Column(TIME, Known("time"))
    return {**in_rows, **columns, **own}


def hidden(features: FeaturesConfig) -> frozenset[str]:
    """Context features whose key means something else in a slice."""
    return frozenset(features.context) & {LENGTH, TIME}


def _column(key: str, feature: AnyFeature) -> Column:
    if feature.raw.dtype == "string":
        return Column(key, Known("text"))
    if feature.raw.dtype == "int64":
        highest = None if feature.id_limit is None else feature.id_limit - 1
        return Column(key, Known("whole number", 0, highest))
    subtracted = feature.subtracted
    # Of one value a row "first" and "previous" leave 0.
    return Column(key, Known("number"), subtracted if isinstance(subtracted, float) else 0.0)
