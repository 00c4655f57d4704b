"""Removes past runs beyond the limits of ``retention``, in the work directory and in MLflow.

A work directory keeps the runs that the config says, and of everything else what these runs name:
their artifacts, the local copies of the champions that they compared with, and the sweep whose best
settings they have. The same limits hold for the sweeps, counted by themselves. MLflow keeps more,
see ``components.registry.retention``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.artifacts.storage import size_of
from components.config import RetentionConfig
from components.tracking.journal import Journal
from components.tracking.owner import Owner
from pipelines.upkeep.leftovers import remove
from pipelines.upkeep.past_sweeps import remove_sweep, split_sweeps
from pipelines.work_directory import ARTIFACTS, CONFIG, JOURNAL, Outcome, WorkDirectory

_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class _Past:
    """A run of the work directory."""

    run_id: str
    name: str
    age_days: float
    outcome: Outcome | None
    sweep: str = ""
    """The sweep whose best settings it has."""


def retentions(work: WorkDirectory) -> dict[str, RetentionConfig]:
    """The limits for each name in the work directory: those of its newest run's config."""
    found: dict[str, RetentionConfig] = {}
    for run_id in work.run_ids():
        config = yaml.safe_load((work.runs / run_id / CONFIG).read_bytes())
        # Of runs that older releases made, the defaults.
        found[str(config["name"])] = RetentionConfig(**config.get("retention", {}))
    return found


def apply_retention(
    work: WorkDirectory,
    owner: Owner,
    limits: Mapping[str, RetentionConfig],
    on_found: Callable[[str, int], None] = lambda what, size: None,
    *,
    dry_run: bool = False,
) -> frozenset[str]:
    """Removes what need not be kept; call it while the work directory's lock is held.

    Args:
        work: the work directory.
        owner: this process, as the holder of the lock.
        limits: by name; the runs of all other names are kept.
        on_found: called for each thing before it is removed, with what it is and its bytes.
        dry_run: removes nothing.

    Returns:
        The ids of the runs that stay.

    Raises:
        RegistryError: MLflow cannot be reached or rejects a request; the files are removed by then.
    """
    past = list(_past_runs(work))
    staying = [run for run in past if _stays(work, run, past, limits)]
    for path in _excess(work, past, staying, limits):
        on_found(str(path.relative_to(work.root)), size_of(path))
        if not dry_run:
            remove(path)
    kept_sweeps, excess = split_sweeps(work, limits, {run.sweep for run in staying})
    for directory in excess:
        on_found(str(directory.relative_to(work.root)), size_of(directory))
        if not dry_run:
            remove_sweep(directory)
    kept = {name: [run for run in staying if run.name == name] for name in limits}
    for name, retention in limits.items():
        if work.own_database is None and not retention.on_server:
            continue
        # Here, as a server that keeps everything needs no MLflow.
        from components.registry.retention import prune

        prune(
            name,
            work.tracking_uri,
            owner.work_dir_id,
            kept_runs=frozenset(run.run_id for run in kept[name]),
            kept_versions=frozenset(version for run in kept[name] for version in _versions(run)),
            kept_sweeps=frozenset(directory.name for directory in kept_sweeps),
            retention=retention,
            database=work.own_database,
            on_found=on_found,
            dry_run=dry_run,
        )
    return frozenset(run.run_id for run in staying)


def _past_runs(work: WorkDirectory) -> Iterator[_Past]:
    """Every run, newest first."""
    now = time.time()
    for run_id in reversed(work.run_ids()):
        config = work.runs / run_id / CONFIG
        # Its first file, which is never written again.
        age_days = (now - config.stat().st_mtime) / _DAY_SECONDS
        values = yaml.safe_load(config.read_bytes())
        sweep = str(values.get("tags", {}).get("sweep", ""))
        yield _Past(run_id, str(values["name"]), age_days, work.find_outcome(run_id), sweep)


def _stays(
    work: WorkDirectory, run: _Past, past: list[_Past], limits: Mapping[str, RetentionConfig]
) -> bool:
    if run.name not in limits or run.outcome is None:
        # One without an outcome may go on, on a machine whose lock does not reach here.
        return True
    newer = [each for each in past if each.name == run.name].index(run)
    if limits[run.name].keeps(newer, run.age_days):
        return True
    return Journal(work.runs / run.run_id / JOURNAL).unsent() > 0


def _excess(
    work: WorkDirectory,
    past: list[_Past],
    staying: list[_Past],
    limits: Mapping[str, RetentionConfig],
) -> Iterator[Path]:
    kept = {run.run_id for run in staying}
    yield from (work.runs / run.run_id for run in past if run.run_id not in kept)
    recent_days = max((each.keep_days for each in limits.values()), default=0.0)
    artifacts = {each for run in staying for each in _artifacts(work, run)}
    for path in sorted(work.artifacts.glob("*/*")):
        name = f"{path.parent.name}/{path.name.removesuffix('.partial')}"
        if name not in artifacts and _age_days(path) > recent_days:
            yield path
    champions = tuple(f"{run.name}-{version}-" for run in staying for version in _versions(run))
    for path in sorted(work.champions.glob("*")):
        # A recent one may be another's, such as `rnnflow predict`'s, which takes no lock.
        if not path.name.startswith(champions) and _age_days(path) > recent_days:
            yield path


def _artifacts(work: WorkDirectory, run: _Past) -> set[str]:
    file = work.runs / run.run_id / ARTIFACTS
    named = set(file.read_text().split("\n")) if file.is_file() else set()
    # Older releases wrote no such file.
    paths = (
        [Path(each.artifact) for each in run.outcome.stages if each.artifact] if run.outcome else []
    )
    return named | {f"{path.parent.name}/{path.name}" for path in paths}


def _versions(run: _Past) -> Iterator[int]:
    """The versions that a run compared with, and registered."""
    if run.outcome and run.outcome.decision and run.outcome.decision.champion_version:
        yield run.outcome.decision.champion_version
    if run.outcome and run.outcome.decision and run.outcome.decision.look:
        yield from (each.version for each in run.outcome.decision.look.against)
    if run.outcome and run.outcome.version:
        yield run.outcome.version.version


def _age_days(path: Path) -> float:
    return (time.time() - path.stat().st_mtime) / _DAY_SECONDS
