"""The parent's side of a measurement: children that run a window at its order, and end with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.processes.windows import GO

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON_OF_ESTIMATOR: Final = ROOT / ".venv-tensorflow-2.15/bin/python"
PYTHON_OF_TORCH: Final = ROOT / ".venv-torch-2.13/bin/python"

_ENVIRONMENT: Final = {
    "PYTHONPATH": str(ROOT),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
    # Memory that a step has freed stays with the process. Otherwise it depends on chance whether
    # the next step has to get it from the system again, which takes up to a fifth of the step.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
}


class ChildError(RuntimeError):
    """A child ended before it should; the message holds the end of its log."""


class Child:
    """A process that runs the module ``program``, with its task in a cluster if it has one."""

    def __init__(
        self,
        program: str,
        settings: dict[str, Any],
        directory: Path,
        python: str = sys.executable,
        tf_config: dict[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self._log = directory / "log"
        # "exchange": layers on stock operations, and workers as they are otherwise.
        kernels = "on" if settings.get("native") else "exchange"
        own = {"RNN_CORE_KERNELS": kernels, "TF_CONFIG": json.dumps(tf_config or {})}
        own |= environment or {}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-m", program, json.dumps(settings)],
                cwd=ROOT,
                env={**os.environ, **_ENVIRONMENT, **own},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def answer(self) -> dict[str, Any]:
        """What the child says next. Raises ChildError if it ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            end = self._log.read_text(errors="replace")[-3000:]
            raise ChildError(f"{self._process.args!r}: ended too early.\n{end}")
        found: dict[str, Any] = json.loads(line)
        return found

    def pause(self) -> None:
        """Stops it until its next window: some wait by spinning."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def begin(self) -> None:
        """Lets the child run a window."""
        assert self._process.stdin is not None
        os.killpg(self._process.pid, signal.SIGCONT)
        self._process.stdin.write(f"{GO}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """Ends it and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]


def ready(children: Sequence[Child]) -> None:
    """Returns when all are warm."""
    for child in children:
        child.answer()


def together(children: Sequence[Child]) -> list[dict[str, Any]]:
    """A window of all ``children`` at the same time; what each found."""
    for child in children:
        child.begin()
    return [child.answer() for child in children]


def seconds(children: Sequence[Child]) -> float:
    """How long the slowest takes for a window of all at the same time."""
    return max(float(found["seconds"]) for found in together(children))


def interleaved(groups: Mapping[str, Sequence[Child]], rounds: int) -> dict[str, list[float]]:
    """Seconds of the windows of each group, which run one after the other, round by round."""
    for children in groups.values():
        seconds(children)
    taken: dict[str, list[float]] = {name: [] for name in groups}
    for _ in range(rounds):
        for name, children in groups.items():
            taken[name].append(seconds(children))
    return taken


def interleaved_alone(
    children: Mapping[str, Child], rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """What each child finds in its windows, round by round; the others stand still meanwhile."""
    for child in children.values():
        child.pause()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in children}
    for _ in range(rounds + 1):
        for name, child in children.items():
            found[name] += together([child])
            child.pause()
    return {name: windows[1:] for name, windows in found.items()}


class Children(contextlib.ExitStack):
    """All children of a measurement; they end when it is left."""

    def start(self, program: str, settings: dict[str, Any], **options: Any) -> Child:
        """Starts one; it is warm when it has answered."""
        directory = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="rnn-bench-")))
        settings = {"model_dir": str(directory / "model"), **settings}
        child = Child(program, settings, directory, **options)
        self.callback(child.kill)
        return child

    def cluster(
        self, program: str, settings: Sequence[dict[str, Any]], **options: Any
    ) -> list[Child]:
        """Starts a worker for each of ``settings``, all of one model directory."""
        shared = self.enter_context(tempfile.TemporaryDirectory(prefix="rnn-bench-"))
        with free_ports(len(settings)) as ports:
            cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        return [
            self.start(
                program,
                {"model_dir": shared, "cluster": True, **own},
                tf_config={"cluster": cluster, "task": {"type": "worker", "index": index}},
                **options,
            )
            for index, own in enumerate(settings)
        ]


@contextlib.contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Ports that no process uses; others may take them when this is left."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        yield [listener.getsockname()[1] for listener in listeners]
