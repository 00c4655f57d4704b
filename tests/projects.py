"""A directory with a config and a work directory, as a user has one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipelines.work_directory import Outcome, WorkDirectory, new_run_id

ROOT = Path(__file__).resolve().parents[1]
RNNFLOW = str(Path(sys.executable).with_name("rnnflow"))
VOWELS = ROOT / "pipelines" / "configs" / "japanese_vowels.yaml"

QUICK: Mapping[str, object] = {
    "features": {"sequence": {"coefficients": {"kind": "numeric", "width": 12}}},
    "model": {"units": [96], "optimizer": {"learning_rate": 0.002}},
    "training": {"max_steps": 800, "evaluate_every_steps": 50, "log_every_steps": 10},
}
"""In place of the bundled config's: one small fit, counted in steps."""


@dataclass(frozen=True)
class Project:
    """A config, its work directory, and the Prefect server that the runs use."""

    root: Path
    server: str

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def work(self) -> WorkDirectory:
        return WorkDirectory(self.root / ".rnnflow")

    def edit(self, **sections: Mapping[str, object] | object) -> None:
        """Changes values of the config: a mapping is merged, anything else replaces."""
        values = yaml.safe_load(self.config.read_text())
        for name, value in sections.items():
            if isinstance(value, Mapping):
                values[name] = {**values.get(name, {}), **value}
            else:
                values[name] = value
        self.config.write_text(yaml.safe_dump(values))

    def run(self, until: str | None = None, rerun: str | None = None) -> Outcome:
        """Calls the flow in this process."""
        from pipelines.training import training_flow

        run_id = new_run_id()
        state = training_flow(
            str(self.config), str(self.work.root), run_id, until, rerun, return_state=True
        )
        outcome = self.work.find_outcome(run_id)
        if outcome is None or outcome.status == "failed":
            error = state.result(raise_on_failure=False)
            assert isinstance(error, BaseException)
            raise error
        return outcome

    def command(self, *arguments: str) -> list[str]:
        return [RNNFLOW, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PREFECT_API_URL": self.server, "COLUMNS": "200"}

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line in a process of its own."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.root, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip


def make_project(root: Path, server: str) -> Project:
    """JapaneseVowels with its bundled config but for ``QUICK``, the data beside it."""
    values = {**yaml.safe_load(VOWELS.read_text()), **QUICK}
    for name in ("train", "test"):
        source = (VOWELS.parent / values["data"][name]).resolve()
        (root / f"{name}.jsonl").write_bytes(source.read_bytes())
        values["data"][name] = f"{name}.jsonl"
    (root / "config.yaml").write_text(yaml.safe_dump(values))
    return Project(root, server)
