"""What a table says of the results, and which floors they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.results import (
    Measured,
    SetResult,
    load_results,
    measured,
    save_results,
)
from benchmarks.quality.rows import Rows
from benchmarks.quality.table import floors, table


def _measured(right: int, of: int = 100, seconds: float = 9.0) -> Measured:
    return Measured(right / of, right / of, seconds, "1" * right + "0" * (of - right))


def _result(*rights: int, baseline: int = 98) -> SetResult:
    return SetResult(
        270, 100, 9, (7, 15, 29),
        {"RF": _measured(90), "LR": _measured(baseline)},
        tuple(map(_measured, rights)),
    )  # fmt: skip


def test_answers_are_held_against_the_labels() -> None:
    labels = np.array(["a", "a", "b", "b"])
    rows = Rows(("1", "2", "3", "4"), labels, (np.zeros((1, 1)),) * 4, ((),) * 4, ({},) * 4)
    found = measured(["a", "b", "b", ""], rows, 1.0)
    assert found.accuracy == 0.5
    assert found.right == "1010"
    # Of a: 1 right, 1 missed. Of b: 1 right, 1 wrong, 1 missed.
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_run_in_the_middle_is_compared_with_the_best_baseline() -> None:
    result = _result(99, 90, 97)
    assert result.median_run == _measured(97)
    assert result.best_baseline == ("LR", _measured(98))
    # One row that only the baseline has right: a fair coin.
    assert result.p_worse == 0.5


def test_a_line_has_the_median_and_the_range() -> None:
    line = table({"JapaneseVowels": _result(99, 90, 97)}).splitlines()[-1]
    assert "| 0.970 (0.900, 0.990) |" in line
    assert "| 0.980 LR (F1 0.980) | 0.900 RF (F1 0.900) | 0.992 InceptionTime | 0.5 |" in line


def test_a_set_without_runs_has_its_baselines() -> None:
    line = table({"JapaneseVowels": _result()}).splitlines()[-1]
    assert line.endswith("| – | – | – | 0.980 LR (F1 0.980) | 0.900 RF (F1 0.900) | "
                         "0.992 InceptionTime | – |")  # fmt: skip
    assert floors({"JapaneseVowels": _result()})[0].startswith("not measured: rnnflow on Japan")


def test_floors_that_are_held() -> None:
    lines = floors({"JapaneseVowels": _result(99, 99, 90)})
    assert [line.split(":")[0] for line in lines] == ["pass"] * 4 + ["not measured"]


def test_floors_that_are_missed() -> None:
    slow = SetResult(
        270, 100, 9, (7, 15, 29), {"LR": _measured(98)}, (_measured(80, seconds=301.0),)
    )
    lines = floors({"JapaneseVowels": slow})
    assert [line.split(":")[0] for line in lines] == ["FAIL"] * 4 + ["not measured"]
    assert "but on JapaneseVowels (p 3.8e-06)" in lines[0]


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = {"PLAID": _result(97)}
    save_results(tmp_path / "results.json", results)
    assert load_results(tmp_path / "results.json") == results
    assert load_results(tmp_path / "none.json") == {}
