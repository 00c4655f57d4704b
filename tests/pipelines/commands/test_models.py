"""The model that serves: promoted, rolled back and asked, through the real registry."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from components.artifacts.values import Decision
from components.errors import DataError, NotFoundError
from components.registry.registry import find_champion, register_model
from pipelines.commands import models
from pipelines.work_directory import Outcome
from tests.components.toy_export import ToyExport, json_row
from tests.projects import Project

pytest_plugins = ["tests.components.mlflow_fixtures"]

REFUSED = Decision(False, "accuracy 0.4 is below 0.5", (), None)


@pytest.fixture(scope="module")
def versions(toy: ToyExport, store: str) -> str:
    """The name of a model with two versions, neither of which serves."""
    for digest in ("first", "second"):
        export = dataclasses.replace(toy.export, digest=digest)
        register_model(export, REFUSED, name="by-hand", tracking_uri=store, run_id=None)
    return "by-hand"


@pytest.fixture
def work_dir(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return tmp_path / "work"


def _rows(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_version_is_promoted_by_hand_and_rolled_back(
    versions: str, store: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models.promote(versions, 1, "looks good", work_dir)
    assert "by-hand: version 1 is the champion (before: none)" in capsys.readouterr().out
    models.promote(versions, 2, "looks better", work_dir)
    assert "version 2 is the champion (before: version 1)" in capsys.readouterr().out
    models.rollback(versions, "looked better", work_dir)
    assert "version 1 is the champion again (before: version 2)" in capsys.readouterr().out
    champion = find_champion(versions, store, work_dir)
    assert champion is not None
    assert champion.version == 1


def test_the_moves_of_the_champion_are_listed_as_a_table_and_as_json(
    versions: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models.promote(versions, 2, "for [history]", work_dir)
    models.promote(versions, 1, "back", work_dir)
    capsys.readouterr()
    models.show_history(versions, False, work_dir)
    table = capsys.readouterr().out
    assert "champions of by-hand" in table
    assert "for [history]" in table
    models.show_history(versions, True, work_dir)
    moves = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    last = moves[-1]
    assert (last["action"], last["before"], last["after"], last["why"]) == ("promote", 2, 1, "back")
    with pytest.raises(NotFoundError, match="nobody never had a champion"):
        models.show_history("nobody", False, work_dir)


def test_a_version_that_does_not_exist_is_named(versions: str, work_dir: Path) -> None:
    with pytest.raises(NotFoundError, match="99"):
        models.promote(versions, 99, "", work_dir)
    with pytest.raises(NotFoundError, match="nobody"):
        models.rollback("nobody", "", work_dir)


def test_rows_are_scored_to_standard_output_and_counted_beside_it(
    versions: str, work_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models.promote(versions, 1, "", work_dir)
    capsys.readouterr()
    data = _rows(tmp_path / "new.jsonl", json_row(4), {"id": "x"}, json_row(1))
    models.predict(versions, data, None, work_dir)
    out, err = capsys.readouterr()
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["line"] for answer in answers] == [1, 2, 3]
    assert [answer.get("id") for answer in answers] == ["row-4", None, "row-1"]
    assert "sequence" in answers[1]["error"] or "context" in answers[1]["error"]
    assert "by-hand version 1: 2 rows scored, 1 invalid" in err


def test_answers_may_go_to_a_file_and_are_the_same(
    versions: str, work_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models.promote(versions, 1, "", work_dir)
    capsys.readouterr()
    data = _rows(tmp_path / "new.jsonl", json_row(2), json_row(3))
    models.predict(versions, data, None, work_dir)
    said = capsys.readouterr().out
    models.predict(versions, data, tmp_path / "answers.jsonl", work_dir)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"2 rows scored to {tmp_path / 'answers.jsonl'}, 0 invalid" in err
    assert (tmp_path / "answers.jsonl").read_text() == said


def test_without_a_champion_it_is_said_how_to_get_one(work_dir: Path, tmp_path: Path) -> None:
    data = _rows(tmp_path / "new.jsonl", json_row(2))
    with pytest.raises(NotFoundError, match="rnnflow promote nobody VERSION"):
        models.predict("nobody", data, None, work_dir)


def test_missing_files_and_invalid_rows_write_no_answers(
    versions: str, work_dir: Path, tmp_path: Path
) -> None:
    models.promote(versions, 1, "", work_dir)
    answers = tmp_path / "answers.jsonl"
    with pytest.raises(NotFoundError, match=r"none\.jsonl"):
        models.predict(versions, tmp_path / "none.jsonl", answers, work_dir)
    with pytest.raises(DataError, match="none of the 1 rows"):
        models.predict(versions, _rows(tmp_path / "bad.jsonl", {}), answers, work_dir)
    assert not answers.exists()


def test_the_champion_answers_as_it_was_measured(
    vowels: Project, first_run: Outcome, tmp_path: Path
) -> None:
    data = vowels.root / "test.jsonl"
    models.predict("japanese-vowels", data, tmp_path / "answers.jsonl", vowels.work.root)
    labels = [json.loads(line)["label"] for line in data.read_text().splitlines()]
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    found = [answer["label"] == str(label) for answer, label in zip(answers, labels, strict=True)]
    assert first_run.metrics is not None
    assert np.mean(found) == pytest.approx(first_run.metrics.overall["accuracy"].value)
