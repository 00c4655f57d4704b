"""Numbers, which their quantiles over the training split turn into ids."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field
from pydantic.dataclasses import dataclass

from components.config import STRICT, Number, PositiveInt
from components.features.embedding import GivesIds
from components.features.kind import FeatureKind, ValueType
from components.features.observed import Observed


@dataclass(frozen=True, config=STRICT)
class BucketizedFeature(GivesIds, FeatureKind):
    """Numbers whose size says less than their rank: each becomes the id of its quantile."""

    kind: Literal["bucketized"]
    """Numbers by their quantile."""
    buckets: Annotated[int, Field(ge=2, le=10_000)]
    """How many quantiles there are, with about as many training values each."""
    embedding_dimension: PositiveInt | None = None
    """Size of the learned vector; without it the id is one-hot."""
    missing: Literal["previous"] | Number | None = None
    """What a null in a sequence, or a value that the context lacks, is read as: a number, or in a
    sequence the ``previous`` number; without this the row is invalid."""
    name_in_rows: str | None = None
    """What the rows call the feature, where its key here is not that name."""

    @property
    def raw(self) -> ValueType:
        """float32 [1]."""
        return ValueType("float32", (1,))

    def placement_fault(self, is_sequence: bool) -> str | None:
        """A value of the context has no step before it."""
        if not is_sequence and self.missing == "previous":
            return "missing: previous is for a sequence; in the context give a number"
        return None

    @property
    def filled_with(self) -> float | str | None:
        """As ``missing`` says."""
        return self.missing

    def transform(self, values: Any, name: str) -> Any:
        """How many of the quantiles of all training values are not above each number."""
        import tensorflow_transform as tft  # neither training nor serving loads it

        return tft.bucketize(values, self.buckets, name=f"buckets_{name}")

    def id_count(self, name: str, transform_output: Any) -> int | None:
        """The ``buckets``, of which some are empty where values repeat."""
        del name, transform_output
        return self.buckets

    @classmethod
    def infer(cls, observed: Observed) -> Self | None:
        """A person decides that ranks say more than sizes."""
        del observed
        return None
