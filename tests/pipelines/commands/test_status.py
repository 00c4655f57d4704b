"""``rnnflow compare`` and ``rnnflow status``, read from what runs left behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from components.artifacts.storage import locked_file, write_atomically
from components.artifacts.values import Decision, Version
from components.errors import NotFoundError
from components.metrics import METRICS
from components.registry.registry import register_model
from components.tracking.owner import Owner, owner_of
from components.tracking.tracker import RUN_ID_TAG, STATUS_TAG, Point, Tracker
from pipelines.commands import status
from pipelines.upkeep.past_sweeps import LOCK, SweepStatus
from pipelines.work_directory import CONFIG, WorkDirectory
from tests.components.toy_export import ToyExport
from tests.pipelines.samples import REFUSED, outcome
from tests.pipelines.upkeep.past_sweeps import leave_sweep

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture
def work(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> WorkDirectory:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("COLUMNS", "160")
    return WorkDirectory(tmp_path)


def _tracked(
    work: WorkDirectory,
    run_id: str,
    metrics: Mapping[str, float],
    params: Mapping[str, object],
    status: str = "promoted",
    tags: Mapping[str, str] | None = None,
) -> None:
    """A pipeline run as MLflow knows it; the experiment is named after the work directory."""
    journal = work.runs / run_id / "tracking.jsonl"
    tracker = Tracker(journal, work.tracking_uri, work.root.name)
    tracker.start_run("pipeline", run_id, None, {RUN_ID_TAG: run_id, STATUS_TAG: "running"})
    tracker.log_params("pipeline", params)
    tracker.log_metrics("pipeline", [Point(*item, 0, 1_000) for item in metrics.items()])
    tracker.end_run("pipeline", "FINISHED", {STATUS_TAG: status, **(tags or {})})
    assert tracker.flush() == 0


def _accuracy(value: float) -> dict[str, float]:
    return {
        "test/accuracy": value,
        "test/accuracy/low": value - 0.02,
        "test/accuracy/high": value + 0.01,
    }


def _rows(text: str) -> dict[str, list[str]]:
    """The cells of a printed table by the first cell of their row, columns joined over lines."""
    found: dict[str, list[str]] = {}
    key = ""
    for line in text.splitlines():
        if "│" not in line and "┃" not in line:
            key = ""
            continue
        cells = [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]
        key = cells[0] or key
        before = found.setdefault(key, [""] * (len(cells) - 1))
        for place, cell in enumerate(cells[1 : len(before) + 1]):
            before[place] = f"{before[place]} {cell}".strip()
    return found


def test_runs_are_compared_oldest_first_with_intervals_and_differences(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    name = work.root.name
    _tracked(work, "20260101-000000-aaaa", _accuracy(0.9), {"seed": 7, "units": 8}, "refused")
    _tracked(work, "20260102-000000-bbbb", _accuracy(0.95), {"seed": 7, "units": 64})
    measured = {**_accuracy(0.95), METRICS["macro_f1"].mlflow_key: 0.9}
    _tracked(work, "20260103-000000-cccc", measured, {"seed": 7, "units": 64, "new": "x"})
    status.compare_runs(name, 5, work.root)
    text = capsys.readouterr().out
    rows = _rows(text)
    assert rows["status"] == ["refused", "promoted", "promoted"]
    assert rows["accuracy"] == [
        "0.9000 [0.880, 0.910]",
        "0.9500 [0.930, 0.960] +0.0500",
        "0.9500 [0.930, 0.960] =",
    ]
    assert rows["macro-F1"] == ["-", "-", "0.9000 [0.900, 0.900]"]
    assert "balanced accuracy" not in rows, "no run has measured it"
    assert rows["units"] == ["8", "64", "64"]
    assert rows["new"] == ["-", "-", "x"]
    assert "seed" not in rows


def test_the_versions_and_the_data_of_runs_are_compared(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    for day, version, digest in ((1, "3", "a"), (2, "3", "a"), (3, "4", "b")):
        tags = {"rnnflow.version": version, "rnnflow.data_digest": digest * 64}
        tags["rnnflow.compared_with"] = "version 1"
        _tracked(work, f"2026010{day}-000000-aaaa", _accuracy(0.9), {"seed": 7}, "done", tags)
    _tracked(work, "20260104-000000-aaaa", _accuracy(0.9), {"seed": 7}, "done")
    status.compare_runs(work.root.name, 5, work.root)
    rows = _rows(capsys.readouterr().out)
    assert rows["version"] == ["3", "3", "4", "-"]
    assert rows["champion"] == ["version 1", "version 1", "version 1", "-"]
    assert rows["data"] == ["a" * 12, "a" * 12, "b" * 12, "-"]


def test_only_as_many_runs_as_asked_for_are_compared(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    for run_id, value in (("20260101-000000-aaaa", 0.9), ("20260102-000000-bbbb", 0.95)):
        _tracked(work, run_id, _accuracy(value), {"seed": 7})
    status.compare_runs(work.root.name, 1, work.root)
    text = capsys.readouterr().out
    assert "0.9500" in text
    assert "0.9000" not in text
    assert "parameters that differ" not in text


def test_a_run_that_measured_nothing_is_not_compared(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    _tracked(work, "20260101-000000-aaaa", {"best_step": 3.0}, {"seed": 7}, "done")
    with pytest.raises(NotFoundError, match="that were measured"):
        status.compare_runs(work.root.name, 5, work.root)
    with pytest.raises(NotFoundError, match="'nobody'"):
        status.compare_runs("nobody", 5, work.root)


def test_the_status_shows_every_run_and_the_newest_ones_summary(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    name = work.root.name
    old = outcome(run_id="20260101-000000-aaaa", name=name, status="refused", reason=REFUSED.reason)
    new = outcome(run_id="20260102-000000-bbbb", name=name)
    for each in (old, new):
        write_atomically(work.runs / each.run_id / CONFIG, "name: x\n")
        work.save_outcome(each)
    status.show_status(None, work.root)
    text = capsys.readouterr().out
    rows = _rows(text)
    assert rows["20260101-000000-aaaa"] == [name, "refused", REFUSED.reason]
    assert rows["20260102-000000-bbbb"] == [name, "promoted", new.reason]
    assert "run 20260102-000000-bbbb" in text
    assert f"{name}: no version is registered yet" in text
    assert "undo" in text
    status.show_status(old.run_id, work.root)
    assert "run 20260101-000000-aaaa" in capsys.readouterr().out


def test_a_run_that_did_not_end_is_running_or_unfinished(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = "20260101-000000-aaaa"
    write_atomically(work.runs / run_id / CONFIG, "name: x\n")
    status.show_status(None, work.root)
    text = capsys.readouterr().out
    assert _rows(text)[run_id][1] == "unfinished"
    assert "was killed, or runs on another machine" in text
    with work.lock(run_id):
        status.show_status(None, work.root)
    text = capsys.readouterr().out
    assert _rows(text)[run_id][1] == "running"
    assert "is running" in text


def test_a_run_that_was_killed_is_shown_as_killed(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = "20260101-000000-aaaa"
    write_atomically(work.runs / run_id / CONFIG, "name: x\n")
    work.save_killed(run_id, work.root.name, found_by="20260102-000000-bbbb")
    status.show_status(None, work.root)
    text = capsys.readouterr().out
    assert _rows(text)[run_id][:2] == [work.root.name, "killed"]
    assert "The process was killed" in text


def test_the_status_shows_the_sweeps_and_marks_those_that_were_killed(
    work: WorkDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    name = work.root.name
    write_atomically(work.runs / "20260101-000000-aaaa" / CONFIG, f"name: {name}\n")
    write_atomically(work.root / "id", "w")
    elsewhere = Owner(work.id, "host", "another boot", "1:2")
    for number, owner in ((1, elsewhere), (2, elsewhere), (3, None)):
        lock_of = work.sweeps / f"{name}-{number:08}" / LOCK
        with locked_file(lock_of) as lock:
            status_of: SweepStatus = "finished" if number == 1 else "running"
            leave_sweep(work, name, number, owner or owner_of(work.id, lock), status=status_of)
    (work.sweeps / "begun-00000004").mkdir()
    with locked_file(work.sweeps / f"{name}-00000005" / LOCK) as lock:
        leave_sweep(work, name, 5, owner_of(work.id, lock), status="running")
        status.show_status(None, work.root)
    rows = _rows(capsys.readouterr().out)
    best = "validation/auc 0.7500"
    assert rows[f"{name}-00000001"] == [name, "finished", "1", "1", "0", "0", best]
    assert rows[f"{name}-00000002"] == [name, "unfinished", "1", "0", "0", "1", best]
    assert rows[f"{name}-00000003"] == [name, "killed", "1", "0", "0", "0", best]
    assert rows["begun-00000004"][1] == "unfinished"
    assert rows[f"{name}-00000005"] == [name, "running", "1", "0", "0", "1", best]


def test_a_work_directory_without_runs_says_so(work: WorkDirectory) -> None:
    with pytest.raises(NotFoundError, match="there is none yet"):
        status.show_status(None, work.root)


def test_the_status_shows_the_versions_and_which_of_them_serves(
    work: WorkDirectory, toy: ToyExport, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = work.root.name
    decision = Decision(True, "every rule holds", (), None)
    register_model(toy.export, decision, name=name, tracking_uri=store, run_id=None)
    ended = outcome(name=name, version=Version(name, 1, ("champion",), False))
    write_atomically(work.runs / ended.run_id / CONFIG, "name: x\n")
    work.save_outcome(ended)
    status.show_status(None, work.root)
    alias, gate, made = _rows(capsys.readouterr().out)["1"]
    assert (alias, gate) == ("champion", "promoted")
    assert made.startswith("20")
