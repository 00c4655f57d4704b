"""What a run's model was made of, kept beside its report, and what has changed since another run.

The file goes to MLflow with the report. The next runs read that of the champion's run, as long as
the work directory has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from components.artifacts.values import SPLITS, Examples, Export, Metrics, Model, Rows, Version
from components.data.statistics import read_statistics
from components.report.changes import Change, LineageStep, SinceChampion
from pipelines.config import PipelineConfig, dump_config, leaves
from pipelines.provenance import versions
from pipelines.work_directory import CONFIG, Outcome, WorkDirectory

LINEAGE = "lineage.json"


@dataclass(frozen=True)
class Lineage:
    """Digests, from the data to the model, and whose code made it; empty where nothing came."""

    run_id: str
    data: str
    """Of the content of all files."""
    rows: dict[str, int]
    """By split."""
    examples: str
    model: str
    step: int
    temperature: float
    predictions: str
    """Of the candidate, on the test split."""
    version: int | None
    code: dict[str, str]
    """By stage: the digest of the code that decides what it makes."""
    versions: dict[str, str]
    """Of Python and of the packages that matter."""
    export: str = ""
    """Of the trained model inside of the SavedModel; empty where none was exported."""


def lineage_of(run_id: str, values: Mapping[str, Any], code: Mapping[str, str]) -> Lineage:
    """From what the stages of a run returned, by their names.

    Args:
        run_id: of the run.
        values: of all stages up to the metrics at least.
        code: by stage the digest of its code.
    """
    rows: Rows = values["rows"]
    examples: Examples = values["examples"]
    model: Model = values["model"]
    metrics: Metrics = values["metrics"]
    version: Version | None = values.get("version")
    export: Export | None = values.get("export")
    counts = read_statistics(Path(examples.path))["rows"]
    return Lineage(
        run_id=run_id,
        data=rows.digest,
        rows={split: int(counts[split]) for split in SPLITS if split in counts},
        examples=examples.digest,
        model=model.digest,
        step=model.step,
        temperature=model.temperature,
        predictions=metrics.digest,
        version=version.version if version else None,
        code=dict(code),
        versions=versions(),
        export=export.digest if export else "",
    )


def lineage_steps(lineage: Lineage) -> tuple[LineageStep, ...]:
    """From the data to the version, for a reader; what the run did not come to is left out."""
    counts = ", ".join(f"{count:,} {name}" for name, count in lineage.rows.items())
    temperature = "" if lineage.temperature == 1 else f", temperature {lineage.temperature:.3g}"
    steps = [
        LineageStep("Data", lineage.data, "the content of all files"),
        LineageStep("Examples", lineage.examples, f"with the transform: {counts} rows"),
        LineageStep("Model", lineage.model, f"step {lineage.step:,}{temperature}"),
        LineageStep("Predictions", lineage.predictions, "on the test split"),
    ]
    if lineage.export:
        steps.append(LineageStep("SavedModel", lineage.export, "of the model with this digest"))
    if lineage.version is not None:
        steps.append(LineageStep("Version", str(lineage.version), "in the registry"))
    return tuple(steps)


def lineage_json(lineage: Lineage) -> str:
    """As the file holds it."""
    return TypeAdapter(Lineage).dump_json(lineage, indent=1).decode() + "\n"


def changes_since(
    champion: int, work: WorkDirectory, config: PipelineConfig, lineage: Lineage
) -> SinceChampion:
    """Compares a run with the one that made a version of the same name.

    Args:
        champion: the version.
        work: where runs are looked for.
        config: of the run.
        lineage: of the run.
    """
    made = _maker(champion, work, config.name)
    if made is None:
        return SinceChampion(champion)
    directory = work.runs / made
    # As a mapping: a config of an older release may lack keys of today, or have others.
    before = dict(leaves(yaml.safe_load((directory / CONFIG).read_text(encoding="utf-8")), ""))
    now = dict(leaves(yaml.safe_load(dump_config(config)), ""))
    found = read_lineage(directory / LINEAGE)
    return SinceChampion(
        champion,
        made,
        tuple(_facts(found, lineage)) if found else (),
        tuple(_differences(before, now)),
        has_facts=found is not None,
    )


def _maker(version: int, work: WorkDirectory, name: str) -> str | None:
    """The run that registered a version: the first one, where others made the same model again."""
    for run_id in work.run_ids():
        outcome: Outcome | None = work.find_outcome(run_id)
        if (
            outcome is not None
            and outcome.version is not None
            and (outcome.version.name, outcome.version.version) == (name, version)
        ):
            return run_id
    return None


def read_lineage(path: Path) -> Lineage | None:
    """What the file of a run says; None if there is none, or one of an older release."""
    try:
        return TypeAdapter(Lineage).validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _facts(before: Lineage, now: Lineage) -> Iterator[Change]:
    if before.data != now.data:
        yield Change("data digest", before.data[:12], now.data[:12])
    names = dict.fromkeys([*before.rows, *now.rows])
    rows = [
        Change(f"{name} rows", f"{before.rows.get(name, 0):,}", f"{now.rows.get(name, 0):,}")
        for name in names
    ]
    yield from (change for change in rows if change.before != change.now)
    for stage in dict.fromkeys([*before.code, *now.code]):
        was, is_ = before.code.get(stage, "")[:12], now.code.get(stage, "")[:12]
        # A stage that one of the runs has not come to, or has no need of, says nothing.
        if was and is_ and was != is_:
            yield Change(f"code of {stage}", was, is_)
    yield from _differences(before.versions, now.versions)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys([*now, *before]):
        was, is_ = before.get(name, _ABSENT), now.get(name, _ABSENT)
        if was != is_:
            yield Change(name, _shown(was), _shown(is_))


_ABSENT = object()


def _shown(value: Any) -> str:
    return "not set" if value is _ABSENT or value is None else str(value)
