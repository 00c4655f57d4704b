"""A real PostgreSQL for tests: Debian's package ``postgresql``, on a socket in a directory."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

STARTUP_SECONDS = 180


class PostgreSql:
    """A server with an empty database, which listens on a Unix socket only.

    It ends with the process that started it, however that ends.

    Args:
        directory: of its own, short enough for the path of a socket (107 bytes). The server refuses
            to run as root: root hands the directory over to the user ``nobody``.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._data = directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"postgresql+psycopg2://postgres@/postgres?host={directory}"

    def start(self) -> None:
        """Returns when the server answers."""
        if os.geteuid() == 0:
            owner = pwd.getpwnam("nobody")
            os.chown(self._directory, owner.pw_uid, owner.pw_gid)
        self._begin(
            "initdb", f"-D{self._data}", "--username=postgres", "--auth=trust", "--no-sync"
        ).wait()
        self._process = self._begin(
            "postgres",
            f"-D{self._data}",
            f"-k{self._directory}",
            "-clisten_addresses=",
            "-cfsync=off",
        )
        deadline = time.monotonic() + STARTUP_SECONDS
        ready = ("pg_isready", f"--host={self._directory}")
        while self._begin(*ready).wait() != 0:
            assert self._process.poll() is None, f"see {self._directory}/log"
            assert time.monotonic() < deadline, f"no answer within {STARTUP_SECONDS} s"
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends the server, and what is connected to it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def _begin(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        command = str(installed[-1]) if installed else shutil.which(program)
        if command is None:
            pytest.fail(f"expected {program} of Debian's package postgresql; install that")
        user = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                ["setpriv", *user, "--pdeathsig=KILL", command, *options],
                cwd=self._directory, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
