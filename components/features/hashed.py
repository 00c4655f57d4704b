"""Strings, which a hash turns into ids: as many as there may be, without a vocabulary."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic.dataclasses import dataclass

from components.config import STRICT, PositiveInt
from components.features.embedding import GivesIds
from components.features.kind import FeatureKind, ValueType
from components.features.observed import Observed


@dataclass(frozen=True, config=STRICT)
class HashedFeature(GivesIds, FeatureKind):
    """Strings without end, such as user names: nothing is learned of them but their buckets."""

    kind: Literal["hashed"]
    """Strings by their hash."""
    buckets: PositiveInt
    """How many ids there are; strings of one bucket are one to the model."""
    embedding_dimension: PositiveInt | None = None
    """Size of the learned vector; without it the id is one-hot."""
    missing: str | None = None
    """What a null in a sequence, or a value that the context lacks, is read as: a string like any
    other; without this the row is invalid."""
    name_in_rows: str | None = None
    """What the rows call the feature, where its key here is not that name."""

    @property
    def raw(self) -> ValueType:
        """A string."""
        return ValueType("string")

    @property
    def filled_with(self) -> str | None:
        """As ``missing`` says."""
        return self.missing

    def transform(self, values: Any, name: str) -> Any:
        """FarmHash's fingerprint of each string, modulo ``buckets``."""
        del name
        import tensorflow as tf  # a config is read without it

        return tf.strings.to_hash_bucket_fast(values, self.buckets)

    def id_count(self, name: str, transform_output: Any) -> int | None:
        """The ``buckets``."""
        del name, transform_output
        return self.buckets

    @classmethod
    def infer(cls, observed: Observed) -> Self | None:
        """A person decides that strings are too many for a vocabulary."""
        del observed
        return None
