"""The model that serves: promoted, rolled back and asked, through the real registry."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts.storage import write_atomically
from components.artifacts.values import Decision, Version
from components.data.sources.jsonl import StandardInput
from components.errors import DataError, NotFoundError, UserError
from components.registry.registry import find_champion, register_model
from pipelines.commands import models
from pipelines.work_directory import Outcome, WorkDirectory
from tests.components.toy_export import ToyExport, json_row
from tests.conftest import ROOT
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


def test_any_version_can_score_also_one_that_was_refused(
    versions: str, work_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models.promote(versions, 1, "", work_dir)
    data = _rows(tmp_path / "new.jsonl", json_row(4))
    models.predict(versions, data, None, work_dir, version=2)
    assert "by-hand version 2: 1 rows scored, 0 invalid" in capsys.readouterr().err
    with pytest.raises(NotFoundError, match="by-hand has no version 99"):
        models.predict(versions, data, None, work_dir, version=99)
    with pytest.raises(NotFoundError, match="nobody has no version 1"):
        models.predict("nobody", data, None, work_dir, version=1)
    with pytest.raises(UserError, match="--version or --run, not both"):
        models.predict(versions, data, None, work_dir, version=1, run_id="x")


def test_the_version_of_a_run_can_score(
    versions: str, work_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = WorkDirectory(work_dir.resolve())
    for run_id, version in (("20260101-000000-aaaa", 2), ("20260102-000000-bbbb", None)):
        registered = Version(versions, version, (), False) if version else None
        write_atomically(work.runs / run_id / "config.yaml", "")
        outcome = Outcome(run_id, versions, "refused", "too bad", (), 3, version=registered)
        work.save_outcome(outcome)
    data = _rows(tmp_path / "new.jsonl", json_row(4))
    models.predict(versions, data, None, work_dir, run_id="20260101-000000-aaaa")
    assert "by-hand version 2: 1 rows scored" in capsys.readouterr().err
    for name, run_id in (("other", "20260101-000000-aaaa"), (versions, "20260102-000000-bbbb")):
        with pytest.raises(NotFoundError, match=f"run {run_id} registered no version of {name}"):
            models.predict(name, data, None, work_dir, run_id=run_id)
    with pytest.raises(NotFoundError, match="expected run 'none'"):
        models.predict(versions, data, None, work_dir, run_id="none")


def test_rows_of_a_table_or_of_several_files_get_the_same_answers(
    versions: str, work_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models.promote(versions, 1, "", work_dir)
    rows = [json_row(steps) for steps in (2, 3)]
    folder = tmp_path / "rows"
    folder.mkdir()
    for row in rows:
        (folder / f"{row['id']}.jsonl").write_text(json.dumps(row) + "\n")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    capsys.readouterr()
    said = []
    for data in (folder, tmp_path / "rows.parquet"):
        models.predict(versions, data, None, work_dir)
        answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        # Two files have a first line each.
        said.append([{**answer, "line": None} for answer in answers])
    assert said[0] == said[1]
    assert [answer["id"] for answer in said[0]] == ["row-2", "row-3"]


def test_compressed_rows_and_those_of_standard_input_get_the_same_answers(
    versions: str,
    work_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models.promote(versions, 1, "", work_dir)
    content = "\ufeff" + "".join(json.dumps(json_row(steps)) + "\n" for steps in (2, 3))
    (tmp_path / "new.jsonl").write_text(content)
    (tmp_path / "new.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    capsys.readouterr()
    said = []
    for data in (tmp_path / "new.jsonl", tmp_path / "new.jsonl.gz", Path("-")):
        with (tmp_path / "new.jsonl").open("rb") as file:
            monkeypatch.setattr(
                models, "StandardInput", partial(StandardInput, descriptor=file.fileno())
            )
            models.predict(versions, data, None, work_dir, top_k=1)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] == said[2]
    first, second = (json.loads(line) for line in said[0].splitlines())
    assert (first["id"], second["id"]) == ("row-2", "row-3")
    assert first["probabilities"] == {first["label"]: first["confidence"]}


def test_answers_appear_while_rows_are_read_and_a_kill_leaves_no_output(
    versions: str, store: str, work_dir: Path, tmp_path: Path
) -> None:
    models.promote(versions, 1, "", work_dir)
    answers = tmp_path / "answers" / "all.jsonl"
    command = [
        sys.executable,
        "-c",
        "from pipelines.cli import main; main()",
        "predict",
        versions,
        "-",
    ]
    process = subprocess.Popen(
        [*command, f"--output={answers}", f"--work-dir={work_dir}"],
        stdin=subprocess.PIPE, cwd=ROOT, env={**os.environ, "MLFLOW_TRACKING_URI": store},
    )  # fmt: skip
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(json_row(3)).encode() + b"\n")
        process.stdin.flush()
        while not (written := _content(answers.parent)):
            assert process.poll() is None
            time.sleep(0.1)
        # The writer has not ended: this is the answer to the row that is there.
        assert json.loads(written)["id"] == "row-3"
        assert not answers.exists()
    finally:
        process.kill()
        process.communicate()
    assert not answers.exists()


def _content(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob("all.jsonl.*.partial"))


def test_what_is_no_file_is_written_to_as_it_is(
    versions: str, work_dir: Path, tmp_path: Path
) -> None:
    models.promote(versions, 1, "", work_dir)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    models.predict(versions, _rows(tmp_path / "new.jsonl", json_row(2)), pipe, work_dir)
    assert json.loads(os.read(reader, 1 << 16))["id"] == "row-2"
    os.close(reader)
    assert pipe.is_fifo()


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
    reads = (
        r"none of the 1 rows of .*by-hand version 1 reads sequence event \(id\), motion "
        r"\(3 numbers\), .*; context Läden \(id\), age \(1 number\), colour \(string\), .*\.$"
    )
    with pytest.raises(DataError, match=reads):
        models.predict(versions, _rows(tmp_path / "bad.jsonl", {}), answers, work_dir)
    with pytest.raises(DataError, match=r"empty\.jsonl is empty; expected one JSON"):
        models.predict(versions, _rows(tmp_path / "empty.jsonl"), answers, work_dir)
    assert not list(tmp_path.glob("answers*"))


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


def test_the_champion_or_any_version_is_copied_whole_to_a_new_directory(
    versions: str, toy: ToyExport, work_dir: Path, tmp_path: Path
) -> None:
    models.promote(versions, 1, "", work_dir)
    config = tmp_path / "demo.yaml"
    config.write_text(
        f"name: {versions}\ndata: {{train: a}}\nfeatures: {{sequence: {{x: {{kind: numeric}}}}}}\n"
    )
    for version, output in ((None, tmp_path / "new [x]?" / "model"), (2, tmp_path / "other")):
        models.export_version(config, version, output, work_dir)
        assert (output / "saved_model.pb").is_file()
        assert [path.name for path in output.parent.glob(".*")] == []
    with pytest.raises(UserError, match="exists already"):
        models.export_version(config, 2, tmp_path / "other", work_dir)
    with pytest.raises(NotFoundError, match="has no version 7"):
        models.export_version(config, 7, tmp_path / "third", work_dir)
    assert not (tmp_path / "third").exists()
