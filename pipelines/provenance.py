"""Where a run comes from: commit, versions, host."""

from __future__ import annotations

import getpass
import importlib.metadata
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

from components.runtime.fingerprints import LIBRARIES, ROOT

PACKAGES = ("rnnflow", *LIBRARIES, "mlflow", "prefect")


def versions() -> dict[str, str]:
    """The installed version of each package that matters, and Python's."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def provenance_tags() -> dict[str, str]:
    """Tags of a run: git commit, dirty flag, versions, host."""
    tags = {f"version.{name}": value for name, value in versions().items()}
    tags["host.name"] = socket.gethostname()
    tags["host.platform"] = platform.platform()
    tags["host.command"] = " ".join(sys.argv)
    # MLflow's own names: its pages show them as the user and the source of a run.
    try:
        tags["mlflow.user"] = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        tags["mlflow.user"] = f"uid {os.getuid()}"
    tags["mlflow.source.name"] = Path(sys.argv[0]).name
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        # An image holds no checkout: its build sets this variable, as build servers do.
        tags["git.commit"] = os.environ.get("GIT_COMMIT", "unknown")
        tags["git.dirty"] = "unknown"
    else:
        tags["git.commit"] = commit
        tags["git.dirty"] = str(bool(_git("status", "--porcelain"))).lower()
    return tags


def _git(*arguments: str) -> str | None:
    """Output of git on the code's own checkout; None outside of one, or without git."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
