"""What passes between the stages, and the directories that hold it.

A stage takes and returns small frozen values: paths, digests, numbers. What is large lies in a
directory that appears at once and complete, or not at all: it is built as ``<name>.partial``,
marked with ``_SUCCESS`` and renamed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from components.errors import StorageError

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SUCCESS = "_SUCCESS"

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class SourceFile:
    """One JSONL file; ``split`` is None where the id of a row decides."""

    path: str
    split: Split | None
    digest: str
    size_bytes: int


@dataclass(frozen=True, config=_STRICT)
class Rows:
    """The raw rows: files, and the digest of their content."""

    files: tuple[SourceFile, ...]
    digest: str


@dataclass(frozen=True, config=_STRICT)
class Examples:
    """Preprocessed examples: a directory, laid out as ``components.examples`` says."""

    path: str
    digest: str


@dataclass(frozen=True, config=_STRICT)
class Model:
    """A trained model: the directory, and the best checkpoint in it."""

    path: str
    checkpoint: str
    step: int
    digest: str


@dataclass(frozen=True, config=_STRICT)
class Interval:
    """A value with the two ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, config=_STRICT)
class ClassMetrics:
    """What was measured for one class."""

    label: str
    precision: Interval
    recall: Interval
    support: int


@dataclass(frozen=True, config=_STRICT)
class Metrics:
    """What a model reaches on one set of examples.

    ``confusion[i][j]`` counts the examples of label i that were taken for label j.
    """

    accuracy: Interval
    average_loss: Interval
    macro_f1: Interval
    ece: Interval
    per_class: tuple[ClassMetrics, ...]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    examples: int
    predictions_path: str
    """Parquet file with a row an example: id, label, predicted, correct, probabilities."""
    digest: str


@dataclass(frozen=True, config=_STRICT)
class Champion:
    """The model version that serves now: its registered name, version and local copy."""

    name: str
    version: int
    path: str
    """Directory of the SavedModel."""
    model_digest: str
    """Digest of the trained model it was exported from."""
    rolled_back_digests: tuple[str, ...] = ()
    """Trained models that a person took out of service."""


@dataclass(frozen=True, config=_STRICT)
class ChampionMetrics:
    """The champion on the candidate's examples, and how the two agree there."""

    version: int
    metrics: Metrics
    both_correct: int
    only_candidate_correct: int
    only_champion_correct: int
    both_wrong: int
    same_model: bool
    """The candidate is the champion itself."""
    rolled_back: bool = False
    """A person took the candidate out of service before."""


@dataclass(frozen=True, config=_STRICT)
class RuleResult:
    """One rule of the gate: its name, the value seen, the bound, and a sentence why."""

    rule: str
    passed: bool
    value: float | None
    bound: str
    reason: str


@dataclass(frozen=True, config=_STRICT)
class Decision:
    """What the gate decided, rule by rule."""

    promoted: bool
    reason: str
    rules: tuple[RuleResult, ...]
    champion_version: int | None


@dataclass(frozen=True, config=_STRICT)
class Export:
    """A SavedModel that was checked in a fresh process."""

    path: str
    """Directory that holds ``saved_model/`` and ``check.json``."""
    digest: str
    """Digest of the trained model."""
    largest_difference: float
    """Largest difference of a probability between the exported and the evaluated model."""
    checked_rows: int


@dataclass(frozen=True, config=_STRICT)
class Version:
    """A registered model version; ``aliases`` are those it holds after this run."""

    name: str
    version: int
    aliases: tuple[str, ...]
    reused: bool
    """The same model was registered before: no new version was made."""


def is_complete(directory: Path) -> bool:
    """Whether an artifact directory was finished."""
    return (directory / SUCCESS).is_file()


def partial_of(directory: Path) -> Path:
    """Where an artifact directory is while it is built, and if that was interrupted."""
    return directory.with_name(directory.name + ".partial")


@contextlib.contextmanager
def building(directory: Path, *, resume: bool = False) -> Iterator[Path]:
    """Yields ``<directory>.partial``; on success it becomes ``directory``, whole.

    After an error it is taken away, unless the next build shall resume it.

    Args:
      directory: where the artifact shall be; what is there is replaced.
      resume: keep what an earlier, interrupted build left in the partial directory.

    Raises:
      StorageError: the disk is full or the directory cannot be written.
    """
    partial = partial_of(directory)
    with storage_errors(directory):
        if not resume:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
        except BaseException:
            if not resume:
                shutil.rmtree(partial, ignore_errors=True)
            raise
        write_atomically(partial / SUCCESS, b"")
        shutil.rmtree(directory, ignore_errors=True)
        partial.replace(directory)
        _sync_directory(directory.parent)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file so that a reader, or a crash, sees the old content or the new one.

    Raises:
      StorageError: the disk is full or the directory cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)


STORAGE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG})


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns a full disk or a directory that cannot be written into one clear error.

    Raises:
      StorageError: with the path and what to do.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno not in STORAGE_ERRNOS:
            raise
        raise StorageError(
            f"cannot write {path}: {error.strerror}. Nothing half written is in use; "
            "free some space or choose another work_dir, and start again."
        ) from error


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
