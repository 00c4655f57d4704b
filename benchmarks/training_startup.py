"""How soon `rnnflow train` has done its first step, beside an import of TensorFlow and a trace.

Once with a Prefect server that runs, and once with the ephemeral one that a run starts for itself.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from benchmarks.processes.children import ROOT, free_ports
from benchmarks.processes.ratios import ratio
from benchmarks.startup import seconds_of

MOST: Final = 1.5

_CONFIG: Final = ROOT / "pipelines/configs/japanese_vowels.yaml"
_BIN: Final = Path(sys.executable).parent
_TRACE: Final = "import of TensorFlow and a trace"
_SERVER: Final = "first step, a Prefect server runs"
_EPHEMERAL: Final = "first step, an ephemeral server"


def run(rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as directory, _prefect_server() as address:
        root = Path(directory)
        config = _small_config(root)
        _rnnflow("preprocess", config, root, "").wait()
        found: dict[str, list[float]] = {_TRACE: [], _SERVER: [], _EPHEMERAL: []}
        for _ in range(rounds):
            found[_TRACE].append(_trace(root))
            found[_SERVER].append(_first_step(config, root, address))
            found[_EPHEMERAL].append(_first_step(config, root, ""))
    for what, seconds in found.items():
        print(f"{what}: median of {rounds} runs {statistics.median(seconds):.1f} s", end="")
        print("" if what == _TRACE else f", ratio {ratio(seconds, found[_TRACE])} (wanted: {MOST})")


@contextlib.contextmanager
def _prefect_server() -> Iterator[str]:
    """A server with a database of its own; its address."""
    with free_ports(1) as (port,):
        address = f"http://127.0.0.1:{port}/api"
    with tempfile.TemporaryDirectory() as home:
        command = [str(_BIN / "prefect"), "server", "start", "--port", str(port)]
        process = subprocess.Popen(
            command,
            env={**os.environ, "PREFECT_HOME": home},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(f"{address}/health")
            yield address
        finally:
            process.terminate()
            process.wait()


def _wait_for(page: str) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(page):
            return
        time.sleep(0.1)
    sys.exit(f"{page} did not answer within a minute")


def _small_config(root: Path) -> Path:
    settings = yaml.safe_load(_CONFIG.read_text())
    for split in ("train", "test"):
        settings["data"][split] = str((_CONFIG.parent / settings["data"][split]).resolve())
    settings["training"] = {"max_steps": 20, "evaluate_every_steps": 20, "log_every_steps": 1}
    config = root / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    return config


def _rnnflow(
    verb: str, config: Path, root: Path, address: str, *more: str
) -> subprocess.Popen[bytes]:
    command = [str(_BIN / "rnnflow"), verb, str(config), "--work-dir", str(root / "work"), *more]
    environment = {**os.environ, "PREFECT_API_URL": address} if address else None
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _first_step(config: Path, root: Path, address: str) -> float:
    """Seconds until the first line of the history."""
    for path in _histories(root):
        path.unlink()
    began_at = time.perf_counter()
    process = _rnnflow("train", config, root, address, "--force")
    while not any(path.read_bytes() for path in _histories(root)):
        if process.poll() is not None:
            sys.exit(f"rnnflow train ended with {process.returncode} before its first step")
        time.sleep(0.02)
    taken = time.perf_counter() - began_at
    process.wait()
    return taken


def _histories(root: Path) -> list[Path]:
    return list(root.glob("work/artifacts/model/*/history.jsonl"))


def _trace(root: Path) -> float:
    return seconds_of([sys.executable, "-m", "benchmarks.tracing_child", str(root / "traced")])
