"""Prediction, evaluation and serving, beside the estimator of TensorFlow 2.15.

Both read the same checkpoint, which rnn_core wrote, and must find the same. An estimator that is
warm has done the same before; one that is new is made, and traces its model, in each call.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any, Final, NamedTuple

from benchmarks.peers.work import EVALUATED_ROWS, SERVED_STEPS, WORKS
from benchmarks.processes.children import PYTHON_OF_ESTIMATOR, Child, Children, interleaved_alone
from benchmarks.processes.ratios import ratio

TOLERANCE: Final = 1e-5


class Task(NamedTuple):
    """What is called."""

    kind: str
    text: str
    calls: int
    """By rnn_core in a window; 2.15, which takes longer, has one."""
    least: float
    """The least ratio that is wanted."""


TASKS: Final = (
    Task("predict", "predict a batch, warm", 50, 100),
    Task("evaluate_new_estimator", f"evaluate {EVALUATED_ROWS:,} rows, new estimator", 1, 4),
    Task("evaluate", f"evaluate {EVALUATED_ROWS:,} rows, warm", 1, 4),
)
_SERVED_CALLS: Final = 2000

Seconds = dict[str, list[float]]
"""A call's, round by round, by peer."""


def run(rounds: int = 5) -> None:
    """Prints the table."""
    for name in WORKS:
        print(f"{name}: {WORKS[name]}")
        for task in TASKS:
            _say(task, measure(name, task, rounds))
        milliseconds = 1e3 * statistics.median(serve(name, rounds))
        print(f"  served, a row of {SERVED_STEPS} steps: {milliseconds:.3f} ms (wanted: 1)")


def measure(name: str, task: Task, rounds: int) -> Seconds:
    """Seconds a call of both. Raises ValueError if they find something else."""
    with Children() as children:
        started = {"rnn_core": _start(children, name, task.kind, task.calls)}
        found = {"rnn_core": started["rnn_core"].answer()["found"]}
        if PYTHON_OF_ESTIMATOR.exists():
            child = _start(
                children,
                name,
                task.kind,
                calls=1,
                model_dir=started["rnn_core"].settings["model_dir"],
                python=str(PYTHON_OF_ESTIMATOR),
            )
            started["2.15"], found["2.15"] = child, child.answer()["found"]
            _check(found)
        windows = interleaved_alone(started, rounds)
    return {
        peer: [window["seconds"] / child.settings["calls"] for window in windows[peer]]
        for peer, child in started.items()
    }


def serve(name: str, rounds: int) -> list[float]:
    """Seconds a request to an exported model, in its process, round by round."""
    with Children() as children:
        child = _start(children, name, "serve", _SERVED_CALLS)
        child.answer()
        windows = interleaved_alone({"served": child}, rounds)["served"]
    return [window["seconds"] / _SERVED_CALLS for window in windows]


def _start(
    children: Children,
    name: str,
    kind: str,
    calls: int,
    model_dir: str | None = None,
    python: str = sys.executable,
) -> Child:
    settings: dict[str, Any] = {"work": name, "kind": kind, "calls": calls, "native": True}
    if model_dir is not None:
        settings["model_dir"] = model_dir
    return children.start("benchmarks.peers.inference_child", settings, python=python)


def _check(found: dict[str, dict[str, float]]) -> None:
    own, other = found["rnn_core"], found["2.15"]
    for name, value in own.items():
        if abs(value - other[name]) > TOLERANCE * max(1, abs(value)):
            raise ValueError(f"{name}: rnn_core has {value}, TensorFlow 2.15 {other[name]}.")


def _say(task: Task, seconds: Seconds) -> None:
    own = seconds["rnn_core"]
    print(f"  {task.text}: {1e3 * statistics.median(own):.2f} ms", end="")
    if "2.15" in seconds:
        other = statistics.median(seconds["2.15"])
        print(
            f", 2.15 {1e3 * other:.0f} ms: {ratio(seconds['2.15'], own)} (wanted: {task.least:g})",
            flush=True,
        )
    else:
        print(", 2.15 not installed (`make bench-peers` does)", flush=True)


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
