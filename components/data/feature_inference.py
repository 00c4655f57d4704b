"""Which kind of feature the values of all rows make, or why they make none."""

from __future__ import annotations

from collections.abc import Iterator

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


def doubts(feature: AnyFeature, seen: Observed) -> Iterator[str]:
    """What a person should check of a feature that was inferred; each follows its name."""
    if doubt := feature.doubt():
        yield doubt
    if seen.nulls:
        filled = (
            "each takes the number before it (missing: previous; without it the row is invalid)."
            if feature.fills_missing
            else "such a row is invalid."
        )
        yield f"has {seen.nulls:,} nulls among {seen.numbers:,} numbers: {filled}"
    if seen.merges and feature.raw.dtype == "float32":
        remedy = (
            "it is read as the difference to the first step of its row (subtract: first; previous "
            "takes the step before, a number an offset)."
            if seen.part == "sequence"
            else "give an offset (subtract: NUMBER)."
        )
        yield (
            "holds numbers that float32, with its seven digits, cannot tell apart (of "
            f"{seen.changes:,} that differ from the one before, {seen.merged:,} do not then): "
            f"{remedy}"
        )
    if seen.value_class == "text" and seen.values and all(map(_is_number, seen.values)):
        yield "holds numbers as text, which are taken as names; write them without quotes."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def infer_feature(seen: Observed) -> AnyFeature | None:
    """The feature that takes such values, of the most special kind; None if there is none."""
    for kind in reversed(KINDS):
        feature = kind.infer(seen)
        if feature is not None:
            return feature
    return None
