"""What was measured, as values and as a JSON file that later measurements add to."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter
from sklearn.metrics import f1_score

from benchmarks.quality.rows import Rows
from components.artifacts.storage import write_atomically
from components.evaluation.gate import mcnemar_worse


@dataclasses.dataclass(frozen=True)
class Measured:
    """One classifier on the test rows of a set."""

    accuracy: float
    macro_f1: float
    seconds: float
    right: str
    """1 or 0 for each test row, in their order."""
    settings: str = ""


@dataclasses.dataclass(frozen=True)
class SetResult:
    """All that was measured on a set."""

    train_rows: int
    test_rows: int
    classes: int
    lengths: tuple[int, int, int]
    """Least, median, greatest number of steps."""
    baselines: dict[str, Measured] = dataclasses.field(default_factory=dict)
    runs: tuple[Measured, ...] = ()
    """Of rnnflow, one for each seed."""
    faults: tuple[str, ...] = ()
    """What failed, a sentence each."""

    @property
    def best_baseline(self) -> tuple[str, Measured] | None:
        """The one with the greatest accuracy on the test rows: the strictest choice for rnnflow."""
        return max(self.baselines.items(), key=lambda item: item[1].accuracy, default=None)

    @property
    def median_run(self) -> Measured | None:
        """Of an even number of runs, the lower of the two in the middle."""
        ordered = sorted(self.runs, key=lambda run: run.accuracy)
        return ordered[(len(ordered) - 1) // 2] if ordered else None

    @property
    def p_worse(self) -> float | None:
        """Exact McNemar test, one-sided, that the median run is worse than the best baseline."""
        if self.median_run is None or self.best_baseline is None:
            return None
        pairs = list(zip(self.median_run.right, self.best_baseline[1].right, strict=True))
        return mcnemar_worse(pairs.count(("1", "0")), pairs.count(("0", "1")))


def measured(labels: Sequence[str], test: Rows, seconds: float, settings: str = "") -> Measured:
    """Holds answers against the true labels."""
    right = [answer == label for answer, label in zip(labels, test.labels, strict=True)]
    known = sorted(set(test.labels.tolist()))
    macro_f1 = f1_score(test.labels, list(labels), labels=known, average="macro", zero_division=0)
    bits = "".join("01"[each] for each in right)
    return Measured(sum(right) / len(right), float(macro_f1), seconds, bits, settings)


def describe(train: Rows, test: Rows) -> SetResult:
    """A set on which nothing was measured so far."""
    lengths = [*train.lengths, *test.lengths]
    classes = {*train.labels.tolist(), *test.labels.tolist()}
    middle = int(statistics.median(lengths))
    return SetResult(len(train), len(test), len(classes), (min(lengths), middle, max(lengths)))


_RESULTS = TypeAdapter(dict[str, SetResult])


def load_results(path: Path | None) -> dict[str, SetResult]:
    """The results by the names of the sets; none where there is no such file."""
    if path is None or not path.is_file():
        return {}
    return _RESULTS.validate_json(path.read_bytes())


def save_results(path: Path | None, results: dict[str, SetResult]) -> None:
    """Writes them, if a file is named."""
    if path is not None:
        write_atomically(path, _RESULTS.dump_json(results, indent=1) + b"\n")
