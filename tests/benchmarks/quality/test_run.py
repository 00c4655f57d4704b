"""`python -m benchmarks quality`, on tiny sets that take the places of real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.quality import product, run
from benchmarks.quality.results import load_results, measured
from benchmarks.quality.rows import Rows

Splits = tuple[Rows, Rows]


@pytest.mark.slow
def test_a_set_that_cannot_be_read_stops_none_of_the_others(
    words_folder: Path,
    words: Splits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damaged = words_folder.parent / "PLAID"
    damaged.mkdir()
    (damaged / "train.jsonl").write_text("{")
    monkeypatch.setattr(run, "DATA", words_folder.parent)
    results = tmp_path / "results.json"
    with pytest.raises(SystemExit) as ended:
        run.main(["PLAID", "Surnames", "--baselines-only", "--json", str(results)])
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert "PLAID: FAILED: " in printed
    assert "Surnames: 1.0000 LR tf-idf, macro-F1 1.0000" in printed
    assert list(load_results(results)["Surnames"].baselines) == [
        "LR tf-idf",
        "LR tf-idf, class weights",
    ]
    # What is only shown needs no data.
    monkeypatch.setattr(run, "DATA", tmp_path)
    run.main(["--show", "--json", str(results)])
    assert capsys.readouterr().out.strip() in printed


def test_data_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "DATA", tmp_path)
    with pytest.raises(SystemExit, match="PLAID, found none: make bench-data"):
        run.main(["PLAID"])


def test_a_set_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["Plaid"])
    assert "no set 'Plaid': choose from JapaneseVowels" in capsys.readouterr().err


@pytest.mark.slow
def test_what_init_writes_is_trained_and_answers_every_row(
    words_folder: Path, words: Splits, tmp_path: Path
) -> None:
    (trained,) = product.train(words_folder, words[1], range(1, 2), tmp_path)
    assert set(trained.labels) <= {"up", "down"}
    assert measured(trained.labels, words[1], trained.seconds).accuracy >= 0.5
    assert trained.seconds > 0


def test_a_command_that_fails_says_why(words: Splits, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"rnnflow init: exit code 2: .*none/train\.jsonl"):
        list(product.train(tmp_path / "none", words[1], range(1, 2), tmp_path))
