"""`rnnflow serve` without and with a log, `mlflow models serve` and a minimal FastAPI application.

All serve the champion of `make run` (JapaneseVowels), each in one process with its defaults; eight
clients send a row a request. Only one server is asked at a time, round by round.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from benchmarks.processes.children import ROOT, free_ports
from benchmarks.processes.ratios import ratio
from benchmarks.serving.load import Found, ask, requests

_NAME: Final = "japanese-vowels"
_CONFIG: Final = ROOT / "pipelines" / "configs" / "japanese_vowels.yaml"
_ROWS: Final = ROOT / "data" / "japanese_vowels" / "test.jsonl"
_CLIENTS: Final = 8
_ROUNDS: Final = 3
_SECONDS: Final = 3.0
_START_SECONDS: Final = 180.0
_OURS: Final = "rnnflow serve"


def run() -> None:
    work_dir = Path(os.environ.get("RNNFLOW_WORK_DIR", ROOT / ".rnnflow")).resolve()
    commands = Path(sys.executable).parent
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{work_dir}/mlflow.db",
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",  # MLflow starts `uvicorn`
    }
    rnnflow, here = str(commands / "rnnflow"), f"--work-dir={work_dir}"
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rnn-bench-")))
        model = directory / "model"
        # What `make run` did is reused. 3: refused by the gate, as there is a champion.
        for command, accepted in (
            (["run", str(_CONFIG)], (0, 3)),
            (["export", str(_CONFIG), f"--output={model}"], (0,)),
        ):
            done = subprocess.run(
                [rnnflow, *command, here], check=False, stdout=subprocess.DEVNULL, env=environment
            )
            if done.returncode not in accepted:
                sys.exit(f"rnnflow {command[0]}: exit code {done.returncode}")
        with free_ports(4) as ports:
            ours, logging, theirs, minimal = ports
        groups = {}
        command = [rnnflow, "serve", _NAME, here, f"--port={ours}"]
        groups[ours] = stack.enter_context(_server(command, ours, environment))
        command = [*command[:-1], f"--port={logging}", f"--log={directory / 'log'}"]
        groups[logging] = stack.enter_context(_server(command, logging, environment))
        mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager=local"]
        address = [f"--model-uri=models:/{_NAME}@champion", f"--port={theirs}"]
        groups[theirs] = stack.enter_context(_server([*mlflow, *address], theirs, environment))
        app = [sys.executable, "-m", "uvicorn", "benchmarks.serving.minimal_app:app"]
        command = [*app, f"--port={minimal}", "--no-access-log"]
        given = {**environment, "MODEL": str(model)}
        groups[minimal] = stack.enter_context(_server(command, minimal, given))
        rows = [json.loads(line) for line in _ROWS.read_text().splitlines()[:64]]
        own = requests("/predict", [json.dumps({"rows": [row]}).encode() for row in rows])
        frames = [json.dumps({"dataframe_records": [_plain(row)]}).encode() for row in rows]
        asked = {
            _OURS: (ours, own),
            f"{_OURS} --log": (logging, own),
            "mlflow models serve": (theirs, requests("/invocations", frames)),
            "a minimal FastAPI application": (minimal, own),
        }
        found: dict[str, list[Found]] = {name: [] for name in asked}
        for round_number in range(_ROUNDS + 1):
            for name, (port, posts) in asked.items():
                before = _processor_seconds(groups[port])
                one = ask(port, posts, _CLIENTS, _SECONDS)
                spent = _processor_seconds(groups[port]) - before
                if round_number:  # the first one warms up
                    each = spent / (one.requests_per_second * _SECONDS)
                    found[name].append(dataclasses.replace(one, processor_seconds=each))
    _print(found)


def _plain(row: dict[str, object]) -> dict[str, object]:
    """A row as MLflow's server takes it: without what is no feature."""
    return {"sequence": row["sequence"], "context": row["context"]}


@contextlib.contextmanager
def _server(command: list[str], port: int, environment: Mapping[str, str]) -> Iterator[int]:
    """A server that answers, in a process group of its own, whose number it gives."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} does not answer")
            time.sleep(0.2)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _processor_seconds(group: int) -> float:
    """What all processes of a group have taken so far."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it may have ended since
            # Behind the command's name: state, parent, group ..., user and system time.
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True  # no page is there, but a server
    except OSError:
        return False


def _print(found: Mapping[str, list[Found]]) -> None:
    ours = found[_OURS]
    print(f"{_CLIENTS} clients, a row a request; {_OURS} beside the other, medians of {_ROUNDS}:")
    for name, theirs in found.items():
        if name == _OURS:
            continue
        print(f"  {name}")
        rates = ([each.requests_per_second for each in one] for one in (ours, theirs))
        print(f"    {'requests/s, ours / theirs':32} {ratio(*rates)}")
        for label in ("median", "p99", "processor"):
            times = ([getattr(each, f"{label}_seconds") for each in one] for one in (theirs, ours))
            print(f"    {label + ' seconds, theirs / ours':32} {ratio(*times)}")
