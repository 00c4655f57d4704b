"""Which kind of feature the values of all rows make, or why they make none."""

from __future__ import annotations

from components.features.config import FEATURE_NAME, KINDS, RESERVED_NAMES, AnyFeature
from components.features.observed import Observed


def why_left_out(name: str, seen: Observed, rows: int, allowed_fraction: float) -> str | None:
    """Why a feature cannot be proposed; None if it can."""
    if name in RESERVED_NAMES:
        return "rename it; every row has a field of this name."
    if not FEATURE_NAME.fullmatch(name):
        return "rename it; letters, digits, '_', '.' and '-' make a name."
    missing = rows - seen.rows
    if missing > allowed_fraction * rows:
        return f"{missing:,} of {rows:,} rows do not have it."
    if infer_feature(seen) is None:
        where = "a list of numbers or strings" if seen.part == "sequence" else "a number or string"
        return f"{where} was expected in each row."
    return None


def infer_feature(seen: Observed) -> AnyFeature | None:
    """The feature that takes such values, of the most special kind; None if there is none."""
    for kind in reversed(KINDS):
        feature = kind.infer(seen)
        if feature is not None:
            return feature
    return None
