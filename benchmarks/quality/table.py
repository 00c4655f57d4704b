"""The results as a Markdown table, and the floors that rnnflow must hold."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from benchmarks.quality.results import Measured, SetResult
from benchmarks.quality.sets import SETS

ALPHA: Final = 0.05
MOST_BELOW_PUBLISHED: Final = 0.03
LEAST_ON_VOWELS: Final = 0.985
MOST_TRAINING_SECONDS: Final = 300.0

_HEAD: Final = (
    "set", "rows: train, test", "classes", "steps", "rnnflow", "macro-F1", "training, s",
    "best baseline", "other baselines", "published", "worse than the baseline, p",
)  # fmt: skip


def table(results: Mapping[str, SetResult]) -> str:
    """One line a set, in the order in which the sets are listed."""
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    lines += [_line(_cells(name, results[name])) for name in SETS if name in results]
    return "\n".join(lines)


def faults(results: Mapping[str, SetResult]) -> list[str]:
    """What failed, one line each."""
    return [f"{name}: {fault}" for name, result in results.items() for fault in result.faults]


def floors(results: Mapping[str, SetResult]) -> list[str]:
    """Each floor as a line that begins with `pass`, `FAIL` or `not measured`."""
    run = {name: result for name, result in results.items() if result.runs}
    missing = [name for name in SETS if name not in run]
    lines = [*_by_baseline(run), *_by_published(run), *_by_vowels(run), *_by_time(run)]
    if missing:
        lines.append(f"not measured: rnnflow on {', '.join(missing)}")
    return lines


def _by_baseline(run: Mapping[str, SetResult]) -> Iterator[str]:
    tested = {name: p for name, result in run.items() if (p := result.p_worse) is not None}
    worse = [f"{name} (p {p:.2g})" for name, p in tested.items() if p < ALPHA]
    text = f"not significantly worse than the best baseline, {len(tested)} sets"
    if tested:
        yield _verdict(not worse, text + (f": but on {', '.join(worse)}" if worse else ""))


def _by_published(run: Mapping[str, SetResult]) -> Iterator[str]:
    gaps = [
        published.accuracy - _median(result.runs)
        for name, result in run.items()
        if (published := SETS[name].published) is not None
    ]
    if gaps:
        below = statistics.median(gaps)
        text = f"median over {len(gaps)} sets at most {100 * MOST_BELOW_PUBLISHED:.0f} points below"
        passed = below <= MOST_BELOW_PUBLISHED
        yield _verdict(passed, f"{text} the best published figure: {100 * below:.1f}")


def _by_vowels(run: Mapping[str, SetResult]) -> Iterator[str]:
    if "JapaneseVowels" in run:
        median = _median(run["JapaneseVowels"].runs)
        text = f"JapaneseVowels, median at least {LEAST_ON_VOWELS}: {median:.4f}"
        yield _verdict(median >= LEAST_ON_VOWELS, text)


def _by_time(run: Mapping[str, SetResult]) -> Iterator[str]:
    if run:
        slowest = {name: max(each.seconds for each in run[name].runs) for name in run}
        name = max(slowest, key=lambda key: slowest[key])
        text = f"a training takes at most {MOST_TRAINING_SECONDS:.0f} s: {slowest[name]:.0f} s"
        yield _verdict(slowest[name] <= MOST_TRAINING_SECONDS, f"{text} on {name}")


def _verdict(passed: bool, text: str) -> str:
    return f"{'pass' if passed else 'FAIL'}: {text}"


def _cells(name: str, result: SetResult) -> Iterator[str]:
    least, middle, greatest = result.lengths
    yield name
    yield f"{result.train_rows:,}, {result.test_rows:,}"
    yield str(result.classes)
    yield f"{least:,} to {greatest:,}, median {middle:,}"
    yield _spread([run.accuracy for run in result.runs])
    yield _spread([run.macro_f1 for run in result.runs])
    yield f"{max(run.seconds for run in result.runs):.0f}" if result.runs else "–"
    best = result.best_baseline
    yield _named(*best) if best else "–"
    others = [item for item in result.baselines.items() if best and item[0] != best[0]]
    yield "; ".join(_named(*item) for item in others) or "–"
    published = SETS[name].published
    yield f"{published.accuracy:.3f} {published.method}" if published else "–"
    p = result.p_worse
    yield "–" if p is None else f"**{p:.2g}**" if p < ALPHA else f"{p:.2g}"


def _named(name: str, each: Measured) -> str:
    return f"{each.accuracy:.3f} {name} (F1 {each.macro_f1:.3f})"


def _spread(values: list[float]) -> str:
    if not values:
        return "–"
    text = f"{statistics.median(values):.3f}"
    return text if len(values) == 1 else f"{text} ({min(values):.3f}, {max(values):.3f})"


def _median(runs: tuple[Measured, ...]) -> float:
    return statistics.median(run.accuracy for run in runs)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
