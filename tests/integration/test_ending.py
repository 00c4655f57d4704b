"""A run that started a Prefect server for itself, and is told to end, leaves no process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from tests.components.worker_commands import children_of, runs, wait_for
from tests.integration.conftest import Project, make_project


def _has_saved(project: Project) -> bool:
    return any(project.work.artifacts.glob("model/*.partial/checkpoints/model.ckpt-*.index"))


def test_sigterm_ends_the_training_and_the_ephemeral_server(tmp_path: Path) -> None:
    project = make_project(tmp_path, server="")
    project.edit(training={"max_steps": 1_000_000, "early_stopping_patience_steps": None})
    environment = {**project.environment, "PREFECT_HOME": str(tmp_path / "prefect")}
    del environment["PREFECT_API_URL"]
    with subprocess.Popen(
        project.command("run", str(project.config)),
        cwd=project.root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            wait_for(lambda: _has_saved(project) or process.poll() is not None)
            children = children_of(process.pid)
            assert children, "the ephemeral server is a child of the run"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=300) == 128 + signal.SIGTERM
            wait_for(lambda: not any(map(runs, children)))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert _has_saved(project)
