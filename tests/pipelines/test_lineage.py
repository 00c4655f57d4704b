"""What a run's model was made of, and what has changed since the champion's run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from components.artifacts.values import Export, Version
from pipelines.config import dump_config
from pipelines.lineage import (
    LINEAGE,
    Lineage,
    changes_since,
    lineage_json,
    lineage_of,
    lineage_steps,
)
from pipelines.work_directory import CONFIG, WorkDirectory
from tests.pipelines.samples import RUN_ID, config, outcome

CODE = {"examples": "e" * 64, "model": "m" * 64}
EARLIER = "20260130-235959-1a2b"


def lineage(values: dict[str, Any], code: dict[str, str] | None = None) -> Lineage:
    made = {"export": Export("x", "m", 0.0, 1), "version": Version("demo", 4, (), False)}
    return lineage_of(RUN_ID, {**values, **made}, code or CODE)


def leave(work: WorkDirectory, run_id: str, before: Lineage | None, version: int = 3) -> None:
    """What a run leaves in the work directory."""
    directory = work.runs / run_id
    directory.mkdir(parents=True)
    old = dataclasses.replace(config(), seed=11)
    (directory / CONFIG).write_text(dump_config(old))
    if before is not None:
        (directory / LINEAGE).write_text(lineage_json(before))
    work.save_outcome(outcome(run_id=run_id, version=Version("demo", version, (), False)))


def test_it_leads_from_the_data_to_the_version(values: dict[str, Any]) -> None:
    steps = lineage_steps(lineage(values))
    assert [(step.name, step.digest) for step in steps] == [
        ("Data", "digest"), ("Examples", "e"), ("Model", "m"),
        ("Predictions", values["metrics"].digest), ("SavedModel", "m"), ("Version", "4"),
    ]  # fmt: skip
    assert "8 train, 2 validation, 4 test rows" in steps[1].about
    early = lineage_steps(lineage_of(RUN_ID, values, CODE))
    assert [step.name for step in early] == ["Data", "Examples", "Model", "Predictions"]


def test_data_rows_code_packages_and_settings_that_changed_are_found(
    values: dict[str, Any], tmp_path: Path
) -> None:
    now = lineage(values)
    work = WorkDirectory(tmp_path)
    before = dataclasses.replace(
        now,
        data="other",
        rows={**now.rows, "train": 7_000},
        code={**CODE, "model": "n" * 64, "gone": "g"},
        versions={**now.versions, "tensorflow": "2.20.0"},
    )
    leave(work, EARLIER, before)
    since = changes_since(3, work, config(), now)
    assert (since.run_id, since.has_facts) == (EARLIER, True)
    assert [(each.name, each.before, each.now) for each in since.facts] == [
        ("data digest", "other", "digest"),
        ("train rows", "7,000", "8"),
        ("code of model", "n" * 12, "m" * 12),
        ("tensorflow", "2.20.0", now.versions["tensorflow"]),
    ]
    assert [(each.name, each.before, each.now) for each in since.settings] == [("seed", "11", "7")]


def test_the_first_run_that_made_the_version_is_the_champions(
    values: dict[str, Any], tmp_path: Path
) -> None:
    work, now = WorkDirectory(tmp_path), lineage(values)
    leave(work, "20260129-000000-0000", now, version=2)
    leave(work, EARLIER, now)
    leave(work, "20260130-235959-ffff", now)
    assert changes_since(3, work, config(), now).run_id == EARLIER


def test_a_run_that_is_gone_or_of_an_older_release_is_told(
    values: dict[str, Any], tmp_path: Path
) -> None:
    work, now = WorkDirectory(tmp_path), lineage(values)
    assert changes_since(3, work, config(), now).run_id == ""
    leave(work, EARLIER, None)
    path = work.runs / EARLIER / CONFIG
    path.write_text(path.read_text().replace("seed: 11\n", "") + "gone: {key: 1}\n")
    since = changes_since(3, work, config(), now)
    assert (since.run_id, since.has_facts, since.facts) == (EARLIER, False, ())
    assert [(each.name, each.before, each.now) for each in since.settings] == [
        ("seed", "not set", "7"), ("gone.key", "1", "not set"),
    ]  # fmt: skip


def test_the_file_can_be_read_by_others(values: dict[str, Any]) -> None:
    stored = json.loads(lineage_json(lineage(values)))
    assert (stored["data"], stored["code"], stored["version"]) == ("digest", CODE, 4)
