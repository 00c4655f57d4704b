"""Strings, which a vocabulary of the training split turns into ids."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic.dataclasses import dataclass

from components.config import STRICT, PositiveInt
from components.features.embedding import GivesIds, proposed_dimension
from components.features.kind import FeatureKind, ValueType
from components.features.observed import Observed

_LARGEST_PROPOSED = 10_000
"""Rarer strings teach a model little, and cost a row of the embedding each."""

_MISSING = "missing"
"""A word that a person understands in a vocabulary."""


@dataclass(frozen=True, config=STRICT)
class VocabularyFeature(GivesIds, FeatureKind):
    """Strings that a vocabulary, found in the training split, turns into ids."""

    kind: Literal["token", "categorical"]
    """``token`` for a sequence of strings, ``categorical`` for one string of the context."""
    min_frequency: PositiveInt = 1
    """Rarer strings are out of the vocabulary."""
    max_size: PositiveInt | None = None
    """Only the most frequent strings are kept."""
    oov_buckets: PositiveInt = 1
    """Ids for the strings out of the vocabulary, chosen by hash."""
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

    def placement_fault(self, is_sequence: bool) -> str | None:
        """The two parts of a row have names of their own for strings."""
        if is_sequence and self.kind == "categorical":
            return "strings in a sequence are of kind 'token'"
        if not is_sequence and self.kind == "token":
            return "a string of the context is of kind 'categorical'"
        return None

    def transform(self, values: Any, name: str) -> Any:
        """Each string gets its rank by frequency, or one of the last ids by its hash."""
        import tensorflow_transform as tft  # neither training nor serving loads it

        return tft.compute_and_apply_vocabulary(
            _on_one_line(values),
            top_k=self.max_size,
            frequency_threshold=self.min_frequency,
            num_oov_buckets=self.oov_buckets,
            vocab_filename=vocabulary_name(name),
            name=f"apply_{vocabulary_name(name)}",
        )

    def id_count(self, name: str, transform_output: Any) -> int | None:
        """The strings that were kept, and the buckets for all others."""
        kept = transform_output.vocabulary_size_by_name(vocabulary_name(name))
        return int(kept) + self.oov_buckets

    @classmethod
    def infer(cls, observed: Observed) -> Self | None:
        """Any strings; of very many the most frequent."""
        if observed.value_class != "text":
            return None
        distinct = len(observed.values)
        return cls(
            kind="token" if observed.part == "sequence" else "categorical",
            max_size=_LARGEST_PROPOSED if distinct > _LARGEST_PROPOSED else None,
            embedding_dimension=proposed_dimension(min(distinct, _LARGEST_PROPOSED)),
            missing=_MISSING if observed.has_gaps else None,
        )


def _on_one_line(strings: Any) -> Any:
    """The strings with escapes for what a line of the vocabulary's file cannot hold.

    TFT's text format leaves out empty strings and those with a line break, so that all were one id.
    Its other format, of compressed records, takes them, but a graph with it cannot be exported.
    Different strings stay different, and all others stay as they are.
    """
    import tensorflow as tf  # a config is read without it

    # Each different string once: a regular expression costs more than finding it again.
    distinct, places = tf.unique(tf.reshape(strings, [-1]))
    # The escape character first: those that are added afterwards are not escaped again.
    for pattern, escaped in (("\x1b", "e"), ("\n", "n"), ("\r", "r"), ("^$", "0")):
        distinct = tf.strings.regex_replace(distinct, pattern, "\x1b" + escaped)
    return tf.reshape(tf.gather(distinct, places), tf.shape(strings))


def vocabulary_name(name: str) -> str:
    """The file that holds the vocabulary of a feature, and its name in TFT's graph."""
    return f"vocabulary_{name}"
