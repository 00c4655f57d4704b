"""Which runs and versions of a model MLflow need not keep, and how they are removed.

Never removed: a version with an alias; one that any record of the ledger names, so that each
rollback finds its version and a model that was rolled back is known again; one that a kept run
names; one that rnnflow did not register; a run that made one of these, with its nested runs; and a
run whose files a run that stays refers to. Sweeps are removed by the same limits, counted
by themselves, but for those whose best settings a run has that stays.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from components.config import RetentionConfig
from components.registry.ledger import Ledger, Record
from components.registry.versions import DIGEST_TAG, aliases_by_version, search_versions
from components.tracking.client import (
    MlflowClient,
    Run,
    connect,
    find_experiment,
    quoted,
)
from components.tracking.errors import registry_errors
from components.tracking.events import ARTIFACT_TAG, ARTIFACTS_IN_TAG
from components.tracking.owner import WORK_DIR_ID_TAG
from components.tracking.purge import purge, size_in
from components.tracking.tracker import RUN_ID_TAG, SWEEP_TAG

_DAY_SECONDS = 86_400
_PARENT_TAG = "mlflow.parentRunId"
_BEST_OF_TAG = "sweep"
"""Of a run with the best settings of a sweep: the name of the sweep."""


@dataclasses.dataclass(frozen=True)
class PastRun:
    """A pipeline run in MLflow, or a sweep."""

    id: str
    name: str
    """The run's id in its work directory; of a sweep the name of its directory."""
    age_days: float
    ended: bool = True
    sweep: str = ""
    """The sweep whose best settings a run has."""


@dataclasses.dataclass(frozen=True)
class PastVersion:
    """A registered version; ``run`` is the id of the MLflow run that made it."""

    number: int
    run: str
    ours: bool = True
    """Registered by rnnflow."""


@dataclasses.dataclass(frozen=True)
class Excess:
    """What MLflow need not keep of one model."""

    runs: tuple[PastRun, ...] = ()
    versions: tuple[PastVersion, ...] = ()


def protected_versions(
    records: Iterable[Record], aliases: Iterable[int], named: Iterable[int]
) -> frozenset[int]:
    """The versions that stay, whatever their age.

    Args:
        records: of the ledger; also those that are void.
        aliases: versions that hold one.
        named: versions that a kept run compared with, or registered.
    """
    moved = {version for record in records for version in (record.before, record.after)}
    return frozenset({*aliases, *named, *(each for each in moved if each is not None)})


def find_excess(
    runs: Sequence[PastRun],
    versions: Sequence[PastVersion],
    protected: frozenset[int],
    kept_runs: frozenset[str],
    retention: RetentionConfig,
    reuses: Iterable[tuple[str, str]] = (),
) -> Excess:
    """What is beyond the limits and not protected.

    Args:
        runs: newest first.
        versions: all of the model.
        protected: see ``protected_versions``.
        kept_runs: names of runs that stay, because their directories do.
        retention: the limits.
        reuses: pairs of ids: a run that reused what a stage had made, also of another work
          directory, and the run that has its files.
    """
    holding = {each.run for each in versions if each.number in protected or not each.ours}
    ids = {
        run.id
        for newer, run in enumerate(runs)
        if run.ended
        and run.name not in kept_runs
        and run.id not in holding
        and not retention.keeps(newer, run.age_days)
    }
    pairs = list(reuses)
    # Again after each find: what stays for the sake of another refers to others itself.
    while referred := ids & {holder for user, holder in pairs if user not in ids}:
        ids -= referred
    beyond = tuple(run for run in runs if run.id in ids)
    return Excess(beyond, tuple(each for each in versions if each.run in ids))


def prune(
    name: str,
    tracking_uri: str,
    work_dir_id: str,
    *,
    kept_runs: frozenset[str],
    kept_versions: frozenset[int],
    kept_sweeps: frozenset[str],
    retention: RetentionConfig,
    database: Path | None,
    on_found: Callable[[str, int], None],
    dry_run: bool = False,
) -> None:
    """Removes what MLflow need not keep of the runs of one work directory.

    A database of the work directory's own gives its space back. On a server the runs and models are
    deleted as MLflow deletes them: they can be restored until somebody calls `mlflow gc`.

    Args:
        name: the experiment and the registered model.
        tracking_uri: address of MLflow.
        work_dir_id: only its runs are looked at: others are not this work directory's to remove.
        kept_runs: see ``find_excess``.
        kept_versions: those that kept runs name.
        kept_sweeps: names of sweeps that stay, because their directories do.
        retention: the limits.
        database: the SQLite file of ``tracking_uri`` if it is the work directory's own.
        on_found: called for each run before it is removed, with what it is and its bytes; 0 on a
          server, which does not say.
        dry_run: removes nothing.

    Raises:
        RegistryError: the server is unreachable or rejects the request.
    """
    with registry_errors(tracking_uri, f"remove old runs of {name}"):
        client = connect(tracking_uri)
        experiment = find_experiment(client, name)
        if experiment is None:
            return
        runs = _past_runs(client, experiment, work_dir_id, RUN_ID_TAG)
        excess = Excess()
        if not all(retention.keeps(newer, run.age_days) for newer, run in enumerate(runs)):
            versions = [
                PastVersion(int(each.version), each.run_id or "", DIGEST_TAG in each.tags)
                for each in search_versions(client, f"name = {quoted(name)}")
            ]
            protected = protected_versions(
                Ledger(client, name).records(), aliases_by_version(client, name), kept_versions
            )
            reuses = _reuses(client, experiment)
            excess = find_excess(runs, versions, protected, kept_runs, retention, reuses)
        for run in excess.runs:
            made = {each.number: name for each in excess.versions if each.run == run.id}
            _remove(client, experiment, run, "run", made, database, on_found, dry_run)
        staying = set(runs) - set(excess.runs)
        sweeps = _past_runs(client, experiment, work_dir_id, SWEEP_TAG)
        for sweep in find_excess_sweeps(sweeps, staying, kept_sweeps, retention):
            _remove(client, experiment, sweep, "sweep", {}, database, on_found, dry_run)


def find_excess_sweeps(
    sweeps: Sequence[PastRun],
    staying_runs: Iterable[PastRun],
    kept_sweeps: frozenset[str],
    retention: RetentionConfig,
) -> tuple[PastRun, ...]:
    """The sweeps beyond the limits; ``sweeps`` has the newest first."""
    named = kept_sweeps | {run.sweep for run in staying_runs}
    return tuple(
        sweep
        for newer, sweep in enumerate(sweeps)
        if sweep.ended and sweep.name not in named and not retention.keeps(newer, sweep.age_days)
    )


def _past_runs(
    client: MlflowClient, experiment: str, work_dir_id: str, name_tag: str
) -> list[PastRun]:
    """The pipeline runs, or the sweeps, of a work directory by what names them; newest first."""
    found = _search(
        client,
        experiment,
        f"tags.`{WORK_DIR_ID_TAG}` = {quoted(work_dir_id)} and tags.`{name_tag}` != ''",
    )
    now = time.time()
    return [
        PastRun(
            run.info.run_id,
            run.data.tags[name_tag],
            (now - run.info.start_time / 1000) / _DAY_SECONDS,
            run.info.status != "RUNNING",
            run.data.tags.get(_BEST_OF_TAG, ""),
        )
        for run in found
    ]


def _reuses(client: MlflowClient, experiment: str) -> list[tuple[str, str]]:
    """Pairs of pipeline runs: one that reused what a stage made, and the one that has its files."""
    users = _search(client, experiment, f"tags.`{ARTIFACTS_IN_TAG}` != ''")
    holders = _search(client, experiment, f"tags.`{ARTIFACT_TAG}` != ''")
    parent_of = {run.info.run_id: run.data.tags.get(_PARENT_TAG, "") for run in [*users, *holders]}
    return [
        (parent_of[run.info.run_id], parent_of.get(run.data.tags[ARTIFACTS_IN_TAG], ""))
        for run in users
    ]


def _search(client: MlflowClient, experiment: str, query: str) -> list[Run]:
    """All runs of an experiment that a query finds, newest first."""
    found: list[Run] = []
    token: str | None = None
    while token != "":
        page = client.search_runs(
            [experiment], query, max_results=1000,
            order_by=["attributes.start_time DESC"], page_token=token,
        )  # fmt: skip
        found.extend(page)
        token = page.token or ""
    return found


def _remove(
    client: MlflowClient,
    experiment: str,
    run: PastRun,
    kind: str,
    versions: Mapping[int, str],
    database: Path | None,
    on_found: Callable[[str, int], None],
    dry_run: bool,
) -> None:
    nested = _search(client, experiment, f"tags.`{_PARENT_TAG}` = {quoted(run.id)}")
    # The nested runs before their parent: after a kill in between, the next call finds the rest.
    runs = {each.info.run_id: each.info.artifact_uri for each in nested}
    runs[run.id] = client.get_run(run.id).info.artifact_uri
    models = {
        model.model_id: model.artifact_location
        for each in runs
        for model in client.search_logged_models([experiment], f"source_run_id = '{each}'")
    }
    what = ", ".join([f"MLflow {kind} {run.name}", *(f"version {each}" for each in versions)])
    size = 0 if database is None else size_in(database, runs | models)
    on_found(what, size)
    if dry_run:
        return
    for number, name in versions.items():
        client.delete_model_version(name, str(number))
    if database is not None:
        purge(database, runs, models)
        return
    for model in models:
        client.delete_logged_model(model)
    for each in runs:
        client.delete_run(each)
