"""Removes runs from an MLflow database of one's own for good, with their files.

MLflow itself only marks them as deleted. `mlflow gc` removes these, but also every experiment that
anybody has deleted, which a person may want back. This removes what is named, and no more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from components.artifacts.storage import size_of
from components.tracking.client import artifact_root


def _files_of(database: Path, artifact_uri: str, name: str) -> Path | None:
    """The directory of a run or a model beside the database; None if its files lie elsewhere.

    The database of a work directory that was copied or moved names the files of the original.
    """
    parts = urlsplit(artifact_uri)
    root = Path(unquote(urlsplit(artifact_root(database)).path))
    path = Path(unquote(parts.path))
    own = parts.scheme in {"", "file"} and path.is_relative_to(root) and path.parent.name == name
    return path.parent if own else None


def size_in(database: Path, addresses: Mapping[str, str]) -> int:
    """Bytes of the files of runs and models, by the addresses of their artifacts."""
    directories = (_files_of(database, uri, name) for name, uri in addresses.items())
    return sum(size_of(each) for each in directories if each)


def purge(database: Path, runs: Iterable[str], models: Iterable[str]) -> None:
    """Removes runs and logged models.

    Args:
        database: SQLite file, with its artifacts beside it.
        runs: ids of MLflow runs.
        models: ids of logged models.

    Raises:
        MlflowException: one is not there.
    """
    # Here, since it loads SQLAlchemy, which only this needs.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    # MLflow has no types here.
    store: Any = SqlAlchemyStore(  # type: ignore[no-untyped-call]
        f"sqlite:///{database}", artifact_root(database)
    )
    try:
        for model in models:
            found = store.get_logged_model(model)
            _remove_files(database, found.artifact_location, model)
            store._hard_delete_logged_model(model)
        for run in runs:
            _remove_files(database, store.get_run(run).info.artifact_uri, run)
            store._hard_delete_run(run)
    finally:
        store.engine.dispose()


def _remove_files(database: Path, artifact_uri: str, name: str) -> None:
    # The files first: after a kill in between, the row still says what is left to do.
    if directory := _files_of(database, artifact_uri, name):
        shutil.rmtree(directory, ignore_errors=True)
