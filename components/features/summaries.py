"""Which numbers sum up the sequences of a row, for the model to read beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Self

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from components.config import STRICT, NonNegativeInt, PositiveInt, Switch
from components.features.kind import ValueType

SUMMARIES: Final = "summaries"
"""The name of all of them together, as one context feature of the training examples."""

KERNELS: Final = 84
"""The kernels of MiniRocket: all of length 9 with three weights 2 and six weights -1."""
STATISTICS: Final = 14
"""Numbers for each numeric column; see ``components.summaries.statistics``."""


_CONVOLUTIONS: Final = {1_000_000: 48 * KERNELS, 4_000_000: 24 * KERNELS, 16_000_000: 6 * KERNELS}
"""By the steps of all rows up to which so many are proposed."""
_MOST_COLUMNS: Final = 3
"""Of more numbers a step the statistics tell enough, and beside thousands of convolutions they are
drowned: without these the loss was a third to two thirds lower; see docs/quality.md."""
_BUCKETS: Final = 4096
_MOST_BUCKETS: Final = 16_384
_MOST_COUNTS: Final = 100_000_000
"""Of all rows together, for more buckets than the fewest: 400 MB on disk, and in memory."""
MANY_TOKENS: Final = 1_000
"""From so many different ones on, as words are, runs of them need more buckets: in those of
characters, more changed nothing."""
_SHORTEST_NGRAM, _LONGEST_NGRAM = 2, 6


def _buckets(alphabet: int, rows: int) -> int:
    if alphabet < MANY_TOKENS:
        return _BUCKETS
    fitting = (count for count in (_MOST_BUCKETS, 2 * _BUCKETS) if count * rows <= _MOST_COUNTS)
    return next(fitting, _BUCKETS)


def _longest(alphabet: int) -> int:
    possible = math.log(4 * _BUCKETS) / math.log(max(alphabet, 2))
    return min(max(round(possible), _SHORTEST_NGRAM), _LONGEST_NGRAM)


def _whole_sets(value: int) -> int:
    if value % KERNELS:
        below = value - value % KERNELS
        raise ValueError(
            f"expected a multiple of the {KERNELS} kernels, such as {below or KERNELS} or "
            f"{below + KERNELS}"
        )
    return value


@dataclass(frozen=True, config=STRICT)
class SummariesConfig:
    """Numbers that sum up the sequences of a row, for the model to read beside them."""

    statistics: Switch = False
    """Mean, spread, extremes, quantiles and changes of each numeric sequence, and its length."""
    convolutions: Annotated[NonNegativeInt, AfterValidator(_whole_sets)] = 0
    """How many numbers come from fixed convolutions of the numeric sequences, a multiple of 84:
    the share of steps at which a convolution is above a threshold (MiniRocket)."""
    ngrams: NonNegativeInt = 0
    """How many numbers come from the runs of tokens or ids in a sequence: their tf-idf, hashed
    into so many."""
    longest_ngram: PositiveInt = 2
    """Runs of 1 to so many tokens."""

    @property
    def learns(self) -> bool:
        """Whether something is learned from a sample of the numeric sequences."""
        return self.statistics or self.convolutions > 0

    def transformed(self, columns: int) -> dict[str, ValueType]:
        """The type of the summaries in the training examples, by name; empty if there are none.

        Args:
            columns: the numbers at each step of all numeric sequences together.
        """
        statistics = STATISTICS * columns + 1 if self.statistics else 0
        width = statistics + self.convolutions + self.ngrams
        return {SUMMARIES: ValueType("float32", (width,))} if width else {}

    @classmethod
    def infer(cls, columns: int, alphabets: Sequence[int], steps: int, rows: int) -> Self:
        """Summaries that cost seconds to minutes, once.

        Args:
            columns: the numbers at each step of all numeric sequences together.
            alphabets: how many different tokens or ids each other sequence has.
            steps: of all rows together.
            rows: how many there are.
        """
        # A set of 84 convolutions takes about a microsecond a step on one core.
        affordable = (count for most, count in _CONVOLUTIONS.items() if steps <= most)
        has_few_columns = 0 < columns <= _MOST_COLUMNS
        # As long as the runs of tokens that are possible are not many more than the buckets.
        longest = max((_longest(size) for size in alphabets), default=_SHORTEST_NGRAM)
        # Events with amounts and gaps: what is said of them is in counts and totals, and among
        # thousands of other numbers a network learns the noise (see docs/quality.md).
        is_mixed = columns > 0 and len(alphabets) > 0
        if is_mixed:
            longest = 1
        return cls(
            statistics=columns > 0,
            convolutions=next(affordable, 0) if has_few_columns and not is_mixed else 0,
            ngrams=_buckets(max(alphabets), rows) if alphabets else 0,
            longest_ngram=longest,
        )

    def faults(self, columns: int, has_tokens: bool) -> Iterator[tuple[str, str]]:
        """The path of each setting that these sequences cannot have, and why."""
        if not columns:
            for name in ("statistics", "convolutions"):
                if getattr(self, name):
                    yield f"summaries.{name}", "there is no numeric sequence to take them of"
        if self.ngrams and not has_tokens:
            yield "summaries.ngrams", "there is no sequence of tokens or ids to take them of"
