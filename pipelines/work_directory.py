"""The work directory: where a machine keeps artifacts, runs and, by default, MLflow's database.

.rnnflow/
  artifacts/<stage>/<fingerprint>/   what a stage made, with its Prefect result
  champions/<name>-<version>/        local copies of the models that serve
  runs/<run id>/                     config.yaml, outcome.json, report.html, tracking.jsonl ...
  sweeps/<name>-<digest>/            state.json, sweep.html, best.yaml, a folder a trial ...
  mlflow.db  mlartifacts/            unless MLFLOW_TRACKING_URI names a server
  tmp/<run id>/                      temporary files of a run, while it goes on
  cluster/<key>/                     orders and registrations of the workers of a cluster
  id                                 names this work directory, wherever it is mounted
  lock                               held by the one run in progress
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as validated

from components.artifacts.storage import locked_file, write_atomically
from components.artifacts.values import Decision, Metrics, Version
from components.errors import BusyError, NotFoundError, UserError
from components.tracking.journal import without_credentials
from components.tracking.owner import Owner, owner_of

Status: TypeAlias = Literal[
    "promoted",
    "proposed",
    "unchanged",
    "refused",
    "done",
    "failed",
    "interrupted",
    "killed",
    "running",
]

OUTCOME = "outcome.json"
CONFIG = "config.yaml"
REPORT = "report.html"
ERROR = "error.txt"
JOURNAL = "tracking.jsonl"
ARTIFACTS = "artifacts.txt"
"""The artifacts that a run uses, STAGE/FINGERPRINT a line: they stay as long as the run does."""


@validated(frozen=True)
class StageOutcome:
    """One stage of a run: its summary, how long it took, whether it was reused."""

    name: str
    summary: str
    seconds: float
    reused: bool
    artifact: str | None


@validated(frozen=True)
class Outcome:
    """How a run ended."""

    run_id: str
    name: str
    status: Status
    reason: str
    stages: tuple[StageOutcome, ...]
    exit_code: int
    metrics: Metrics | None = None
    decision: Decision | None = None
    training_notes: tuple[str, ...] = ()
    """What a person should know of the training, and could change."""
    version: Version | None = None
    mlflow_run_id: str | None = None
    tracking_uri: str = ""
    mlflow_url: str | None = None
    """The page of its MLflow run; None where a database, and no server, keeps the runs."""
    prefect_url: str | None = None
    flow_run_id: str | None = None
    unsent_events: int = 0

    @property
    def saved_model(self) -> Path | None:
        """The directory of the SavedModel that the run exported; None if it did not come so far."""
        made = self.artifact("export")
        return made and made / "saved_model"

    def artifact(self, name: str) -> Path | None:
        """The directory that a stage made or reused; None if there is none, or it makes none."""
        found = [stage.artifact for stage in self.stages if stage.name == name]
        return Path(found[0]) if found and found[0] else None


@dataclass(frozen=True)
class WorkDirectory:
    """The paths below one work directory."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> WorkDirectory:
        """The work directory that a user names, which need not be there yet.

        Raises:
            UserError: no work directory can be there, or a library would take its name for another.
        """
        try:
            root = path.resolve()
            _check_place(root)
        except (OSError, RuntimeError, ValueError) as error:  # of symbolic links, of a null byte
            if isinstance(error, UserError):
                raise
            raise UserError(f"--work-dir: {str(path)!r} cannot be used: {error}.") from None
        return cls(root)

    @property
    def artifacts(self) -> Path:
        """Holds a directory per stage, and in that one a directory per fingerprint."""
        return self.root / "artifacts"

    @property
    def champions(self) -> Path:
        """Local copies of registered models."""
        return self.root / "champions"

    @property
    def runs(self) -> Path:
        """Holds a directory per run."""
        return self.root / "runs"

    @property
    def sweeps(self) -> Path:
        """Holds a directory per sweep, and the database of all."""
        return self.root / "sweeps"

    @property
    def temporary(self) -> Path:
        """Holds a directory per run in progress."""
        return self.root / "tmp"

    @property
    def own_database(self) -> Path | None:
        """MLflow's database, if it lies in this directory; None if it is elsewhere or a server."""
        prefix = "sqlite:///"
        path = Path(self.tracking_uri.removeprefix(prefix)).absolute()
        own = self.tracking_uri.startswith(prefix) and path.is_relative_to(self.root)
        return path if own else None

    @property
    def _id(self) -> Path:
        return self.root / "id"

    @property
    def id(self) -> str:
        """What is in every record of whose a run is; empty before the first run."""
        return self._id.read_text().strip() if self._id.is_file() else ""

    @property
    def cluster(self) -> Path:
        """Holds a directory per cluster whose workers use this work directory."""
        return self.root / "cluster"

    @property
    def tracking_uri(self) -> str:
        """``MLFLOW_TRACKING_URI``, or an SQLite file of this directory."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def printed_tracking_uri(self) -> str:
        """``tracking_uri`` as it may be printed or written to a file: without a password."""
        return without_credentials(self.tracking_uri)

    def run_ids(self) -> list[str]:
        """All runs, oldest first."""
        if not self.runs.is_dir():
            return []
        # The config is the first file of a run: a directory without one was not begun.
        return sorted(path.name for path in self.runs.iterdir() if (path / CONFIG).is_file())

    def run(self, run_id: str | None = None) -> Path:
        """The directory of a run, the newest if none is named.

        Raises:
            NotFoundError: there is no such run.
        """
        known = self.run_ids()
        chosen = run_id or (known[-1] if known else None)
        if chosen not in known:
            wanted = f"run {run_id!r}" if run_id else "a run"
            newest = f"; the newest is {known[-1]!r}" if known else ": there is none yet"
            raise NotFoundError(f"expected {wanted} in {self.runs}{newest}. See `rnnflow status`.")
        return self.runs / chosen

    def find_outcome(self, run_id: str) -> Outcome | None:
        """How a run ended; None while it runs or if it was killed."""
        path = self.runs / run_id / OUTCOME
        if not path.is_file():
            return None
        return TypeAdapter(Outcome).validate_json(path.read_bytes())

    def save_outcome(self, outcome: Outcome) -> None:
        """Writes ``outcome.json`` of the run."""
        content = TypeAdapter(Outcome).dump_json(outcome, indent=2)
        write_atomically(self.runs / outcome.run_id / OUTCOME, content)

    def save_killed(self, run_id: str, name: str, found_by: str) -> None:
        """Writes the outcome of a run that was killed, unless it is there or the run is not."""
        if run_id not in self.run_ids() or self.find_outcome(run_id) is not None:
            return
        reason = f"The process was killed; {found_by} found it."
        # As a shell reports SIGKILL, which leaves no other word of how a process ended.
        killed = Outcome(run_id, name, "killed", reason, (), 128 + signal.SIGKILL)
        self.save_outcome(killed)

    def running(self) -> str | None:
        """The run that holds the lock now; None if nobody on this machine does."""
        path = self.root / "lock"
        if not path.is_file():
            return None
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().decode().removeprefix("run ").partition(",")[0]
        return None

    @contextlib.contextmanager
    def lock(self, run_id: str) -> Iterator[Owner]:
        """Held by one run at a time; the system frees it when the process ends, however it ends.

        Yields whose the run is. The id in it is made by the first run of a work directory.

        Raises:
            BusyError: another run holds it.
            StorageError: the directory cannot be written.
        """
        path = self.root / "lock"
        with contextlib.ExitStack() as held:
            try:
                file = held.enter_context(locked_file(path, wait=False))
            except BlockingIOError:
                raise BusyError(
                    f"another run is in progress in {self.root} ({path.read_text().strip()}). "
                    "Wait for it, or choose another directory with --work-dir."
                ) from None
            # The content is for the message above alone. The file stays: if it were deleted, one
            # process could lock the old file and another a new one of the same name.
            file.truncate(0)
            file.write(f"run {run_id}, process {os.getpid()}\n".encode())
            file.flush()
            # By the holder of the lock alone, so that it is made once.
            if not self._id.is_file():
                write_atomically(self._id, f"{uuid.uuid4().hex}\n")
            yield owner_of(self.id, file)


_MISREAD = re.compile(r"[?#%*\[\]\\\x00-\x1f\x7f]")
"""What libraries take for something else in a path: SQLAlchemy and MLflow read parts and escapes of
a URL, Beam and TensorFlow patterns; the latter act on a backslash, too."""


def _check_place(root: Path) -> None:
    if found := sorted(set(_MISREAD.findall(str(root)))):
        raise UserError(
            f"--work-dir: {root} has {' '.join(map(repr, found))} in its path, which libraries "
            "that write there take for a pattern or a part of a URL. Give a directory without "
            "? # % * [ ] \\ and control characters; config and data may stay where they are."
        )
    there = next(each for each in (root, *root.parents) if each.exists())
    if not there.is_dir():
        raise UserError(f"--work-dir: expected a directory, but {there} is a file.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"--work-dir: {there} may not be written by this user.")


def new_run_id() -> str:
    """A name that sorts by time: ``20260131-235959-1a2b``, in UTC."""
    # Random digits, because two machines may start runs in one second.
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
