"""Which kind of feature the values of all rows make, or why they make none."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from components.features.config import KINDS, AnyFeature, why_no_name
from components.features.observed import Observed

_MOST_ABSENT = 0.5
"""A feature that fewer rows have says little of a row, beyond that it is there."""
_MOST = 0.8
"""From this share of the values on, the others are taken for exceptions, such as 'n/a'."""
_MANY_ROWS = 20
"""Of fewer rows, all different texts may be chance."""
_TIME = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})([T ]+\d{1,2}:\d{2}.*)?$"
    r"|\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?$"
)
"""2024-05-01, 1.5.2024, 2024-05-01T10:00:00Z, 10:00:07."""


def why_left_out(name: str, seen: Observed, rows: int, allowed_fraction: float) -> str | None:
    """Why a feature cannot be proposed; None if it can."""
    if why := why_no_name(name):
        return f"rename it; {why}."
    missing = rows - seen.rows
    feature = infer_feature(seen)
    is_filled = feature is not None and seen.part == "context" and feature.filled_with is not None
    if missing > (_MOST_ABSENT if is_filled else allowed_fraction) * rows:
        return f"{missing:,} of {rows:,} rows do not have it."
    if feature is None:
        where = "a list of numbers or strings" if seen.part == "sequence" else "a number or string"
        return f"{where} was expected in each row."
    return None


def doubts(feature: AnyFeature, seen: Observed) -> Iterator[str]:
    """What a person should check of a feature that was inferred; each follows its name."""
    if doubt := feature.doubt():
        yield doubt
    fill = feature.filled_with
    filled = (
        "such a row is invalid."
        if fill is None
        else "each takes the number before it (missing: previous; without it the row is invalid)."
        if fill == "previous" and feature.raw.dtype == "float32"
        else f"each is read as {fill!r} (missing: {fill}; without it the row is invalid)."
    )
    if seen.nulls:
        what = "texts" if seen.value_class == "text" else "numbers"
        yield f"has {seen.nulls:,} nulls among {seen.nulls + seen.numbers:,} {what}: {filled}"
    if seen.absent:
        is_filled = seen.part == "context"
        yield (
            f"is missing in {seen.absent:,} of {seen.absent + seen.rows:,} rows: "
            f"{filled if is_filled else 'such a row is invalid.'}"
        )
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
    if not seen.varies:
        yield "has the same value in all rows, which tells nothing about the label: leave it out."
    if seen.value_class == "text":
        yield from _doubts_of_text(seen)


def _doubts_of_text(seen: Observed) -> Iterator[str]:
    for is_such, what, remedy in (
        (_is_number, "numbers as text", "write them without quotes"),
        (_is_time, "times as text", "write them as numbers, such as seconds since the first step"),
    ):
        such = sum(map(is_such, seen.values))
        if such > _MOST * len(seen.values):
            exceptions = [text for text in sorted(seen.values) if not is_such(text)]
            but = f" (but for {', '.join(map(repr, exceptions[:3]))})" if exceptions else ""
            yield f"holds {what}{but}, which are taken as names; {remedy}."
            return
    if seen.part == "context" and seen.rows >= _MANY_ROWS and len(seen.values) > _MOST * seen.rows:
        yield (
            "has another text in nearly every row: a name or a remark, from which nothing follows "
            "for other rows. Leave it out."
        )


def _is_number(text: str) -> bool:
    # As many countries write them, or with a comma between thousands.
    for plain in (text.replace(",", "."), text.replace(",", "")):
        with contextlib.suppress(ValueError):
            float(plain)
            return True
    return False


def _is_time(text: str) -> bool:
    """A date, or a date and a time of day, in a form that begins or ends with the year."""
    return _TIME.match(text.strip()) is not None


def infer_feature(seen: Observed) -> AnyFeature | None:
    """The feature that takes such values, of the most special kind; None if there is none."""
    for kind in reversed(KINDS):
        feature = kind.infer(seen)
        if feature is not None:
            return feature
    return None
