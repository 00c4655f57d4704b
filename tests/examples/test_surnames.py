"""The example on surnames."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_a_short_training_is_far_better_than_chance_and_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = runpy.run_path(str(ROOT / "examples" / "surnames.py"))
    accuracy = example["run"](str(tmp_path), steps=150, seed=1)
    printed = capsys.readouterr().out
    assert accuracy > 0.4
    assert f"accuracy on 691 other names: {accuracy:.3f}" in printed
    assert len([line for line in printed.splitlines() if ", 0." in line or ", 1." in line]) == 8
    (saved,) = (tmp_path / "export").iterdir()
    assert f"SavedModel: {saved}" in printed


def test_names_for_training_and_for_the_test_are_different_ones() -> None:
    example = runpy.run_path(str(ROOT / "examples" / "surnames.py"))
    trained, tested = (set(example["read_rows"](test=test)[0]) for test in (False, True))
    assert len(trained) + len(tested) == 3359
    assert not trained & tested
