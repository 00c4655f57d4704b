"""A run is skipped if the last decision was on the same rows and the same config."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from components.artifacts.storage import write_atomically
from components.data.rows import find_rows
from pipelines.config import PipelineConfig, dump_config
from pipelines.lineage import LINEAGE, Lineage
from pipelines.schedules.when import always, new_data
from pipelines.work_directory import CONFIG, Status, WorkDirectory
from tests.pipelines.samples import config, outcome


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory:
    return WorkDirectory(tmp_path / "work")


@pytest.fixture
def demo(tmp_path: Path) -> PipelineConfig:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1}\n')
    found = config()
    return dataclasses.replace(found, data=dataclasses.replace(found.data, train=str(path)))


def past(
    work: WorkDirectory, config: PipelineConfig, run_id: str, status: Status, **changes: Any
) -> None:
    """A run that ended, on the rows that are there now."""
    facts = Lineage(
        run_id=run_id, data=find_rows(config.data).digest, rows={}, examples="", model="", step=1,
        temperature=1.0, predictions="", version=None, code={}, versions={},
    )  # fmt: skip
    write_atomically(work.runs / run_id / CONFIG, dump_config(config))
    write_atomically(work.runs / run_id / LINEAGE, TypeAdapter(Lineage).dump_json(facts))
    work.save_outcome(outcome(**{"run_id": run_id, "status": status, **changes}))


def test_the_first_run_is_made(work: WorkDirectory, demo: PipelineConfig) -> None:
    assert new_data(demo, work) == ""


@pytest.mark.parametrize("status", ["promoted", "proposed", "unchanged", "refused"])
def test_a_second_one_on_the_same_rows_is_skipped_however_the_first_was_decided(
    work: WorkDirectory, demo: PipelineConfig, status: Status
) -> None:
    past(work, demo, "20260101-000000-aaaa", status)
    reason = new_data(demo, work)
    assert reason.startswith(f"no new data since run 20260101-000000-aaaa, which was {status}")
    assert find_rows(demo.data).digest[:12] in reason
    assert always(demo, work) == ""


def test_other_rows_or_another_config_are_a_reason_to_run(
    work: WorkDirectory, demo: PipelineConfig
) -> None:
    past(work, demo, "20260101-000000-aaaa", "promoted")
    assert new_data(dataclasses.replace(demo, seed=99), work) == ""
    with Path(demo.data.train).open("a") as file:
        file.write('{"id": 2}\n')
    assert new_data(demo, work) == ""


@pytest.mark.parametrize("status", ["failed", "interrupted", "done"])
def test_a_run_without_a_decision_does_not_count(
    work: WorkDirectory, demo: PipelineConfig, status: Status
) -> None:
    past(work, demo, "20260102-000000-bbbb", status)
    assert new_data(demo, work) == ""
    past(work, demo, "20260101-000000-aaaa", "refused")
    assert "since run 20260101-000000-aaaa" in new_data(demo, work)


def test_runs_of_another_name_and_of_older_releases_do_not_count(
    work: WorkDirectory, demo: PipelineConfig
) -> None:
    past(work, demo, "20260101-000000-aaaa", "promoted", name="another")
    assert new_data(demo, work) == ""
    past(work, demo, "20260102-000000-bbbb", "promoted")
    (work.runs / "20260102-000000-bbbb" / LINEAGE).unlink()
    assert new_data(demo, work) == ""


def test_rows_that_cannot_be_read_are_a_matter_for_the_run(
    work: WorkDirectory, demo: PipelineConfig
) -> None:
    past(work, demo, "20260101-000000-aaaa", "promoted")
    Path(demo.data.train).unlink()
    assert new_data(demo, work) == ""
