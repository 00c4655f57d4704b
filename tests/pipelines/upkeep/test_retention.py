"""Past runs beyond the limits are removed with what only they name; the rest levels off."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.artifacts.storage import size_of, write_atomically
from components.config import RetentionConfig
from components.registry.aliases import rollback
from components.registry.registry import list_versions
from components.tracking.journal import Journal
from components.tracking.owner import Owner
from components.tracking.tracker import RUN_ID_TAG, Tracker
from pipelines.upkeep.retention import apply_retention, retentions
from pipelines.work_directory import CONFIG, JOURNAL, WorkDirectory
from tests.components.mlflow_server import MlflowServer, free_port
from tests.pipelines.upkeep.past_nights import STAGES, leave_files, night, run_id_of

pytest_plugins = ["tests.components.mlflow_fixtures"]

FEW = RetentionConfig(keep_runs=2, keep_days=0)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkDirectory:
    """One whose MLflow is a server that is never asked: it keeps everything."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    return WorkDirectory(tmp_path / ".rnnflow")


def _apply(work: WorkDirectory, **limits: RetentionConfig) -> set[str]:
    removed: set[str] = set()
    with work.lock("now") as owner:
        apply_retention(work, owner, limits, lambda what, _: removed.add(what))
    return removed


def test_what_only_old_runs_name_goes_with_them(work: WorkDirectory) -> None:
    for number in (1, 2, 3):
        leave_files(work, "x", number, champion=number)
    assert _apply(work, x=FEW) == {
        f"runs/{run_id_of(1)}",
        "champions/x-1-0123456789ab",
        *(f"artifacts/{stage}/x0001" for stage in STAGES),
    }
    assert work.run_ids() == [run_id_of(2), run_id_of(3)]
    assert {path.name for path in work.artifacts.glob("*/*")} == {"x0002", "x0003"}
    assert _apply(work, x=FEW) == set()


def test_a_dry_run_removes_nothing(work: WorkDirectory) -> None:
    for number in (1, 2, 3):
        leave_files(work, "x", number)
    before = set(work.root.rglob("*"))
    found: dict[str, int] = {}
    with work.lock("now") as owner:
        apply_retention(work, owner, {"x": FEW}, found.__setitem__, dry_run=True)
    assert found["artifacts/model/x0001"] == size_of(work.artifacts / "model" / "x0001") > 0
    assert set(work.root.rglob("*")) - {work.root / "lock", work.root / "id"} == before


def test_an_artifact_that_a_kept_run_uses_too_stays(work: WorkDirectory) -> None:
    for number in (1, 2, 3):
        leave_files(work, "x", number)
    with (work.runs / run_id_of(3) / "artifacts.txt").open("a") as file:
        file.write("examples/x0001\n")
    _apply(work, x=FEW)
    assert {path.name for path in work.artifacts.glob("examples/*")} == {"x0001", "x0002", "x0003"}


def test_what_a_killed_training_saved_stays_as_long_as_its_run(work: WorkDirectory) -> None:
    for number in (1, 2, 3):
        leave_files(work, "x", number)
    killed = work.runs / "20260131-000000-aaaa"
    write_atomically(killed / CONFIG, "name: x\n")
    write_atomically(killed / "artifacts.txt", "model/beef\n")
    partial = work.artifacts / "model" / "beef.partial"
    partial.mkdir()
    _apply(work, x=FEW)
    work.save_killed(killed.name, "x", found_by="now")
    _apply(work, x=FEW)
    assert partial.is_dir()
    for number in (4, 5):
        leave_files(work, "x", number)
        (work.runs / run_id_of(number)).rename(work.runs / f"2027{run_id_of(number)[4:]}")
    _apply(work, x=FEW)
    assert not partial.exists()


def test_recent_runs_stay_and_so_does_what_nobody_names_while_it_is_recent(
    work: WorkDirectory,
) -> None:
    for number in (1, 2, 3):
        leave_files(work, "x", number)
    recent = dataclasses.replace(FEW, keep_days=7.0)
    (work.artifacts / "model" / "unnamed").mkdir()
    assert _apply(work, x=recent) == set()
    old = time.time() - 8 * 86_400
    os.utime(work.runs / run_id_of(1) / CONFIG, (old, old))
    os.utime(work.artifacts / "model" / "x0001", (old, old))
    assert _apply(work, x=recent) == {f"runs/{run_id_of(1)}", "artifacts/model/x0001"}


def test_runs_of_other_names_unfinished_ones_and_those_that_mlflow_has_not_heard_of_stay(
    work: WorkDirectory,
) -> None:
    for number in (1, 2, 3, 4):
        leave_files(work, "y" if number == 1 else "x", number)
    (work.runs / run_id_of(2) / "outcome.json").unlink()
    for number in (5, 6, 7):
        leave_files(work, "x", number)
    journal = work.runs / run_id_of(3) / JOURNAL
    Journal(journal).append([{"event": "open"}])
    removed = _apply(work, x=FEW)
    assert {each for each in removed if each.startswith("runs/")} == {
        f"runs/{run_id_of(4)}",
        f"runs/{run_id_of(5)}",
    }


def test_the_limits_of_a_name_are_those_of_its_newest_run(work: WorkDirectory) -> None:
    for number in (1, 2, 3):
        leave_files(work, "y" if number == 3 else "x", number)
    write_atomically(work.runs / run_id_of(2) / CONFIG, "name: x\nretention: {keep_runs: 3}\n")
    assert retentions(work) == {"x": RetentionConfig(keep_runs=3), "y": RetentionConfig()}


@dataclass(frozen=True)
class Nights:
    """Many nights, three of them promoted, and a rollback."""

    work: WorkDirectory
    sizes: list[int]
    """Bytes of files after each night, without the database."""
    database: list[int]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        work = WorkDirectory(tmp_path_factory.mktemp("nights") / ".rnnflow")
        sizes, database = [], []
        for number in range(1, 13):
            night(work, "x", number, promoted=number in (1, 2, 4), retention=FEW)
            if number == 5:
                rollback("x", tracking_uri=work.tracking_uri, reason="test")
            database.append((work.root / "mlflow.db").stat().st_size)
            sizes.append(size_of(work.root) - database[-1])
        yield Nights(work, sizes, database)


@pytest.mark.slow
def test_the_size_levels_off(nights: Nights) -> None:
    # From here on each night brings as much as it removes, to the byte but for texts with numbers.
    assert abs(nights.sizes[-1] - nights.sizes[7]) < 500
    assert nights.sizes[3] > nights.sizes[0] + 3 * 10_000


@pytest.mark.slow
def test_mlflow_keeps_the_last_runs_and_those_whose_versions_the_ledger_names(
    nights: Nights,
) -> None:
    client = MlflowClient(nights.work.tracking_uri)
    experiment = client.get_experiment_by_name("x")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], f"tags.`{RUN_ID_TAG}` != ''")
    assert sorted(run.data.tags[RUN_ID_TAG] for run in found) == [
        run_id_of(number) for number in (1, 2, 4, 11, 12)
    ]
    assert {each.version for each in list_versions("x", client.tracking_uri)} == {1, 2, 4, 11, 12}
    everything = client.search_runs([experiment.experiment_id], run_view_type=3)
    assert len(everything) == 5 * (1 + len(STAGES))
    models = client.search_logged_models([experiment.experiment_id])
    folders = (nights.work.root / "mlartifacts" / "models").iterdir()
    assert {model.model_id for model in models} == {path.name for path in folders}
    assert len(models) == 5


@pytest.mark.slow
def test_a_rollback_still_finds_its_version(nights: Nights) -> None:
    uri = nights.work.tracking_uri
    assert rollback("x", tracking_uri=uri, reason="test") == (2, 1)
    (one,) = (each for each in list_versions("x", uri) if each.version == 1)
    assert "champion" in one.aliases
    source = MlflowClient(uri).get_model_version("x", "1").source
    assert (Path(str(source).removeprefix("file://")) / "MLmodel").is_file()


def _track(work: WorkDirectory, name: str, number: int, owner: Owner) -> None:
    run_id = run_id_of(number)
    tracker = Tracker(work.runs / run_id / JOURNAL, work.tracking_uri, name)
    tracker.start_run("pipeline", run_id, None, owner.tags() | {RUN_ID_TAG: run_id})
    tracker.start_run("rows", "rows", "pipeline", {})
    for key in ("rows", "pipeline"):
        tracker.end_run(key, "FINISHED")
    assert tracker.flush() == 0


def test_a_server_keeps_every_run_unless_the_config_says_otherwise_and_those_of_others_always(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    work, name = WorkDirectory(tmp_path / ".rnnflow"), tmp_path.name
    client = MlflowClient(server.uri)
    with work.lock("now") as owner:
        another = dataclasses.replace(owner, work_dir_id="another")
        for number in range(1, 7):
            if number > 1:
                leave_files(work, name, number)
            _track(work, name, number, owner if number > 1 else another)
        experiment = client.get_experiment_by_name(name)
        assert experiment is not None

        def names(view: int) -> list[str]:
            found = client.search_runs(
                [experiment.experiment_id], f"tags.`{RUN_ID_TAG}` != ''", run_view_type=view
            )
            return sorted(run.data.tags[RUN_ID_TAG] for run in found)

        apply_retention(work, owner, {name: FEW})
        assert names(view=1) == [run_id_of(number) for number in range(1, 7)]
        apply_retention(work, owner, {name: dataclasses.replace(FEW, on_server=True)})
        assert names(view=1) == [run_id_of(number) for number in (1, 5, 6)]
        # Deleted as MLflow deletes: they can be restored.
        assert names(view=3) == [run_id_of(number) for number in range(1, 7)]
