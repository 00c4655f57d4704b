"""A server that speaks S3's protocol, for tests: moto's, on a free loopback port."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.components.mlflow_server import (
    end_process,
    free_port,
    start_process,
    wait_until_answered,
)


class S3Server:
    """``moto_server``, which keeps what it is given in memory.

    Args:
        folder: holds its log.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "s3.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes]
        self.address = f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a user has set for a store of their own; the keys are no secret, and none works."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "anything",
            "AWS_SECRET_ACCESS_KEY": "anything",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        program = str(Path(sys.executable).with_name("moto_server"))
        command = [program, "--host", "127.0.0.1", "--port", str(self._port)]
        self._process = start_process(command, self._log)
        wait_until_answered(f"{self.address}/moto-api/", self._process)

    def kill(self) -> None:
        """Ends the server."""
        end_process(self._process)
