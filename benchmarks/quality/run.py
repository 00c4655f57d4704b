"""`python -m benchmarks quality [SET ...]`: rnnflow as `init` leaves it, beside cheap baselines."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.quality import product
from benchmarks.quality.baselines import answer, baselines_for
from benchmarks.quality.results import (
    SetResult,
    describe,
    load_results,
    measured,
    save_results,
)
from benchmarks.quality.rows import Rows, read_rows
from benchmarks.quality.sets import DATA, SETS
from benchmarks.quality.table import faults, floors, table

Report = Callable[[SetResult], None]


def main(arguments: Sequence[str]) -> None:
    """Measures set by set; a fault of one stops none of the others, but the exit code is 1 then."""
    chosen = _parser().parse_args(arguments)
    names = [] if chosen.show else chosen.sets or list(SETS)
    results = load_results(chosen.json)
    if missing := [str(DATA / name) for name in names if not (DATA / name).is_dir()]:
        sys.exit(f"expected data in {', '.join(missing)}, found none: make bench-data")
    failed = False
    for name in names:

        def keep(result: SetResult, name: str = name) -> None:
            results[name] = result
            save_results(chosen.json, results)

        try:
            _measure(name, results.get(name), keep, chosen)
        except Exception as error:
            failed = True
            print(f"{name}: FAILED: {type(error).__name__}: {error}", flush=True)
    shown = {name: results[name] for name in SETS if name in results}
    print(f"\n{table(shown)}\n")
    print("\n".join([*faults(shown), *floors(shown)]))
    if failed or any(shown[name].faults for name in names if name in shown):
        sys.exit(1)


def _known(name: str) -> str:
    if name not in SETS:
        raise argparse.ArgumentTypeError(f"no set {name!r}: choose from {', '.join(SETS)}")
    return name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks quality", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", type=_known, help="default: all")
    parser.add_argument("--seeds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--json", type=Path, help="read from and added to, set by set")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--baselines-only", action="store_true", help="leave rnnflow's results")
    part.add_argument("--keep-baselines", action="store_true", help="those in --json, if any")
    part.add_argument("--show", action="store_true", help="only print what --json holds")
    return parser


def _measure(
    name: str, earlier: SetResult | None, keep: Report, chosen: argparse.Namespace
) -> None:
    train, test = (read_rows(DATA / name / f"{split}.jsonl") for split in ("train", "test"))
    result = describe(train, test)
    if earlier is not None and chosen.baselines_only:
        result = dataclasses.replace(result, runs=earlier.runs)
    if earlier is not None and chosen.keep_baselines:
        result = dataclasses.replace(result, baselines=earlier.baselines)
    if not result.baselines:
        result = _with_baselines(name, result, train, test)
        keep(result)
    if not chosen.baselines_only:
        _with_runs(name, result, test, range(1, chosen.seeds + 1), keep)


def _with_baselines(name: str, result: SetResult, train: Rows, test: Rows) -> SetResult:
    for key, baseline in baselines_for(train).items():
        try:
            answers = answer(baseline, train, test)
        except Exception as error:
            result = _with_fault(name, result, f"{key}: {error}")
            continue
        found = measured(answers.labels, test, answers.seconds, answers.settings)
        result = dataclasses.replace(result, baselines={**result.baselines, key: found})
        print(
            f"{name}: {found.accuracy:.4f} {key}, macro-F1 {found.macro_f1:.4f}, "
            f"{found.seconds:.0f} s ({found.settings})",
            flush=True,
        )
    return result


def _with_runs(name: str, result: SetResult, test: Rows, seeds: range, keep: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="rnnflow-quality-") as scratch:
        try:
            start = time.perf_counter()
            for seed, run in zip(
                seeds, product.train(DATA / name, test, seeds, Path(scratch)), strict=True
            ):
                found = measured(run.labels, test, run.seconds)
                result = dataclasses.replace(result, runs=(*result.runs, found))
                keep(result)
                seconds, start = time.perf_counter() - start, time.perf_counter()
                print(
                    f"{name}: {found.accuracy:.4f} rnnflow, seed {seed}, macro-F1 "
                    f"{found.macro_f1:.4f}, training {run.seconds:.0f} s of {seconds:.0f} s",
                    flush=True,
                )
        except Exception as error:
            keep(_with_fault(name, result, str(error)))


def _with_fault(name: str, result: SetResult, fault: str) -> SetResult:
    print(f"{name}: FAILED: {fault}", flush=True)
    return dataclasses.replace(result, faults=(*result.faults, fault))
