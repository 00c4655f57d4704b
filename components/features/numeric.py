"""Numbers, alone or as vectors of a fixed width."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic.dataclasses import dataclass

from components.config import STRICT, Number, PositiveInt, Switch
from components.features.kind import FeatureKind, ValueType
from components.features.observed import Observed

_LARGEST_SCALED = 1e18
"""Larger numbers have squares, which the variance needs, that float32 does not hold."""


@dataclass(frozen=True, config=STRICT)
class NumericFeature(FeatureKind):
    """Numbers: [T] or [T, F] as a sequence feature, one number or [F] as a context feature."""

    kind: Literal["numeric"]
    """Numbers."""
    width: PositiveInt = 1
    """F, the numbers at each step; 1 also takes plain numbers."""
    clip: tuple[Number, Number] | None = None
    """The least and the greatest number: what is beyond counts as these."""
    log1p: Switch = False
    """Whether each number x becomes sign(x) log(1 + abs(x)), after ``clip``: for amounts and
    durations, a few of which are very large."""
    normalize: Literal["z_score", "min_max", "none"] = "z_score"
    """At last, by the training split: ``z_score`` takes the mean off and divides by the standard
    deviation; ``min_max`` maps the least number to 0 and the greatest to 1."""
    missing: Literal["previous"] | Number | None = None
    """What a null in a sequence, or a value that the context lacks, is read as: a number, or in a
    sequence the ``previous`` number; without this the row is invalid."""

    @property
    def raw(self) -> ValueType:
        """float32 [F]."""
        return ValueType("float32", (self.width,))

    @property
    def largest_number(self) -> float | None:
        """A z-score needs the variance in float32."""
        is_small = self.log1p or self.clip is not None
        return _LARGEST_SCALED if self.normalize == "z_score" and not is_small else None

    # float32 has seven digits. Of seconds since 1970, which have ten, it cannot tell those of two
    # minutes apart; of their differences it can.
    subtract: Number | Literal["first", "previous"] | None = None
    """Taken from each number before it is rounded to float32: a number, or that of the ``first``
    step of the row, or that of the ``previous`` step."""
    name_in_rows: str | None = None
    """What the rows call the feature, where its key here is not that name."""

    @property
    def subtracted(self) -> float | Literal["first", "previous"]:
        """As ``subtract`` says."""
        return self.subtract or 0.0

    def __post_init__(self) -> None:
        if self.clip is not None and self.clip[0] >= self.clip[1]:
            raise ValueError(f"clip: {self.clip[0]:g} is not below {self.clip[1]:g}")

    def placement_fault(self, is_sequence: bool) -> str | None:
        """A value of the context has no step before it."""
        if not is_sequence and isinstance(self.subtract, str):
            return f"subtract: {self.subtract} is for a sequence; in the context give a number"
        if not is_sequence and self.missing == "previous":
            return "missing: previous is for a sequence; in the context give a number"
        return None

    @property
    def filled_with(self) -> float | str | None:
        """As ``missing`` says."""
        return self.missing

    def transform(self, values: Any, name: str) -> Any:
        """Clips, compresses and scales each of the F numbers.

        Mean, deviation, least and greatest number are taken over all steps of all rows of the
        training split.
        """
        import tensorflow as tf  # a config is read without it

        if self.clip is not None:
            values = tf.clip_by_value(values, *self.clip)
        if self.log1p:
            values = tf.sign(values) * tf.math.log1p(tf.abs(values))
        if self.normalize == "none":
            return values
        import tensorflow_transform as tft  # neither training nor serving loads it

        if self.normalize == "min_max":
            return tft.scale_to_0_1(values, elementwise=True, name=f"min_max_{name}")
        return tft.scale_to_z_score(values, elementwise=True, name=f"z_score_{name}")

    def column(self, name: str, id_count: int | None, is_sequence: bool) -> Any:
        """The numbers as they are."""
        del id_count
        import tensorflow as tf  # a config is read without it

        columns = tf.feature_column
        make = columns.sequence_numeric_column if is_sequence else columns.numeric_column
        return make(name, shape=(self.width,))

    @classmethod
    def infer(cls, observed: Observed) -> Self | None:
        """Any numbers; of vectors the most frequent width."""
        if observed.value_class not in ("whole", "number", "vector"):
            return None
        is_sequence = observed.part == "sequence"
        return cls(
            kind="numeric",
            width=observed.widths.most_common(1)[0][0] if observed.value_class == "vector" else 1,
            missing=cls._proposed_missing(observed),
            subtract="first" if observed.merges and is_sequence else None,
        )

    @staticmethod
    def _proposed_missing(observed: Observed) -> float | Literal["previous"] | None:
        if observed.part == "sequence":
            return "previous" if observed.nulls else None
        # The mean, which is 0 as a z-score. Vectors have a mean for each of their numbers.
        if not observed.absent or observed.value_class == "vector":
            return None
        return float(f"{observed.total / observed.numbers:.4g}")
