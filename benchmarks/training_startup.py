"""How soon `rnnflow train` has done its first step, beside an import of TensorFlow and a trace."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.processes.children import ROOT
from benchmarks.processes.ratios import ratio

MOST: Final = 1.5

_CONFIG: Final = ROOT / "pipelines/configs/japanese_vowels.yaml"
_CHANGES: Final = {
    "../../data": str(ROOT / "data"),
    "max_steps: 800": "max_steps: 20",
    "evaluate_every_steps: 50": "evaluate_every_steps: 20",
    "log_every_steps: 10": "log_every_steps: 1",
}
_RNNFLOW: Final = str(Path(sys.executable).with_name("rnnflow"))


def run(rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        config = _small_config(root)
        _rnnflow("preprocess", config, root).wait()
        pairs = [(_first_step(config, root), _trace(root)) for _ in range(rounds)]
    first_step, trace = (list(seconds) for seconds in zip(*pairs, strict=True))
    for what, seconds in (("first step", first_step), ("import and trace", trace)):
        print(f"{what}: median of {rounds} runs {statistics.median(seconds):.1f} s")
    print(f"ratio: {ratio(first_step, trace)} (at most wanted: {MOST})")


def _small_config(root: Path) -> Path:
    text = _CONFIG.read_text()
    for old, new in _CHANGES.items():
        text = text.replace(old, new)
    config = root / "config.yaml"
    config.write_text(text)
    return config


def _rnnflow(verb: str, config: Path, root: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [_RNNFLOW, verb, str(config), "--work-dir", str(root / "work"), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _first_step(config: Path, root: Path) -> float:
    """Seconds until the first line of the history."""
    for path in _histories(root):
        path.unlink()
    began_at = time.perf_counter()
    process = _rnnflow("train", config, root, "--force")
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
    began_at = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.tracing_child", str(root / "traced")]
    subprocess.run(command, check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began_at
