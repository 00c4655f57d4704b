"""All summaries of a row, learned from some rows of the training split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.features.config import FeaturesConfig
from components.features.summaries import SummariesConfig
from components.summaries.convolutions import Convolutions
from components.summaries.ngrams import hashed_ngrams
from components.summaries.statistics import statistics
from components.summaries.steps import Steps

Sample: TypeAlias = Sequence[Mapping[str, Any]]
"""Of each row the numeric sequences by name, float32 [T, F]."""
_LARGEST = 1e6
"""Standard deviations of a column."""


@dataclass(frozen=True, eq=False)
class Summarizer:
    """Raw features to the summaries, in the parts that the config asks for."""

    config: SummariesConfig
    numeric: tuple[str, ...]
    """Sequence features that are numbers."""
    tokens: tuple[str, ...]
    """Sequence features that are strings or ids."""
    center: NDArray[np.float32]
    """float32 [C]: of each numeric column, as ``scale``."""
    scale: NDArray[np.float32]
    statistics_scale: NDArray[np.float32]
    """float32 [14 C + 1]: a typical magnitude of each statistic."""
    convolutions: Convolutions | None

    @classmethod
    def learn(cls, features: FeaturesConfig, rows: Sample) -> Summarizer:
        """Learns from some rows of the training split.

        Args:
            features: of the rows.
            rows: what is learned from.
        """
        config, numeric = features.summaries, features.numeric_sequences
        tokens = tuple(sorted(features.sequence.keys() - set(numeric)))
        if not config.learns:
            none = np.zeros(0, np.float32)
            return cls(config, (), tokens, none, none, none, None)
        each = [np.concatenate([row[name] for name in numeric], axis=1) for row in rows]
        together = np.concatenate(each)
        center, scale = together.mean(axis=0, dtype=np.float64), together.std(axis=0, dtype=float)
        center, scale = center.astype(np.float32), _unless_zero(scale)
        lengths = np.array([len(one) for one in each], np.int64)
        scaled = tf.RaggedTensor.from_row_lengths((together - center) / scale, lengths)
        steps = Steps.of(scaled)
        typical = np.median(np.abs(statistics(steps).numpy()), axis=0)
        return cls(
            config,
            numeric,
            tokens,
            center,
            scale,
            _unless_zero(typical),
            Convolutions.learn(steps, config.convolutions) if config.convolutions else None,
        )

    def numbers(self, raw: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """The statistics and the convolutions, by these names, float32 [B, …]; those wanted."""
        if not self.config.learns:
            return {}
        ragged = [raw[name] for name in self.numeric]
        together = tf.concat([one.values for one in ragged], axis=1)
        # Beyond the limit, which no sensible number reaches, sums of squares would overflow.
        scaled = tf.clip_by_value((together - self.center) / self.scale, -_LARGEST, _LARGEST)
        steps = Steps.of(ragged[0].with_values(scaled))
        found = {}
        if self.config.statistics:
            # Of amounts that differ by orders of magnitude the logarithm, which this is of large
            # ones, tells more than the amount.
            found["statistics"] = tf.math.asinh(statistics(steps) / self.statistics_scale)
        if self.convolutions is not None:
            found["convolutions"] = self.convolutions(steps)
        return found

    def ngram_counts(self, raw: Mapping[str, Any]) -> tf.Tensor:
        """Counts of hashed runs of tokens, float32 [B, ngrams]."""
        counts = [
            hashed_ngrams(raw[name], self.config.longest_ngram, self.config.ngrams, salt)
            for salt, name in enumerate(self.tokens)
        ]
        return tf.add_n(counts)


def _unless_zero(scale: NDArray[Any]) -> NDArray[np.float32]:
    """The scale of what varies, 1 for what does not."""
    return np.where(scale > 0.0, scale, 1.0).astype(np.float32)
