"""Numbers, alone or as vectors of a fixed width."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic.dataclasses import dataclass

from components.config import STRICT, PositiveInt
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
    normalize: Literal["z_score", "none"] = "z_score"
    """``z_score``: minus the mean, over the standard deviation, both of the training split."""
    missing: Literal["refuse", "previous"] = "refuse"
    """A null in a sequence: the row is invalid, or ``previous``: it takes the number before it."""

    @property
    def raw(self) -> ValueType:
        """float32 [F]."""
        return ValueType("float32", (self.width,))

    @property
    def largest_number(self) -> float | None:
        """A z-score needs the variance in float32."""
        return _LARGEST_SCALED if self.normalize == "z_score" else None

    @property
    def fills_missing(self) -> bool:
        """As ``missing`` says."""
        return self.missing == "previous"

    def transform(self, values: Any, name: str) -> Any:
        """Scales by the mean and standard deviation of each of the F numbers in the training split.

        Both are taken over all steps of all rows.
        """
        if self.normalize == "none":
            return values
        import tensorflow_transform as tft  # neither training nor serving loads it

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
        if observed.value_class == "vector":
            return cls(kind="numeric", width=observed.widths.most_common(1)[0][0])
        if observed.value_class in ("whole", "number"):
            return cls(kind="numeric")
        return None
