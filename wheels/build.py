"""Builds the two wheels, ``rnn-core`` and ``rnnflow``, from the repository and its pyproject.toml.

    python wheels/build.py --output dist

``rnn-core`` is the package ``rnn_core`` with the sources of its native operations. ``rnnflow`` is
the application, which needs ``rnn-core`` of the same version. Versions and bounds are written in
the root's pyproject.toml only. The build needs setuptools and pip, and no network.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from string import Template
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
RNN_CORE_REQUIRES: Final = ("tensorflow", "keras", "numpy")


def main() -> None:
    """Builds both wheels and prints their paths."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="default: dist")
    output = parser.parse_args().output.resolve()
    for wheel in build_wheels(output):
        print(wheel)


def build_wheels(output: Path) -> tuple[Path, Path]:
    """Builds ``rnn-core`` and ``rnnflow``, and returns the paths of their wheels in that order.

    Args:
      output: the folder for the wheels; it is made if it is missing.
    """
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = configuration["project"]
    dependencies: list[str] = project["dependencies"]
    common = {
        "version": project["version"],
        "license": project["license"],
        "requires_python": project["requires-python"],
        "package_data": configuration["tool"]["setuptools"]["package-data"]["*"],
    }
    of_rnn_core = [line for line in dependencies if _distribution(line) in RNN_CORE_REQUIRES]
    with tempfile.TemporaryDirectory() as scratch:
        rnn_core = Path(scratch) / "rnn_core"
        _copy(ROOT / "rnn_core", rnn_core / "rnn_core")
        shutil.copy(ROOT / "rnn_core" / "README.md", rnn_core)
        _write_metadata(rnn_core, {**common, "dependencies": of_rnn_core})

        rnnflow = Path(scratch) / "rnnflow"
        _copy(ROOT / "wheels" / "launcher", rnnflow / "rnnflow")
        for package in ("components", "pipelines"):
            _copy(ROOT / package, rnnflow / "rnnflow" / package)
        shutil.copy(ROOT / "README.md", rnnflow)
        _write_metadata(
            rnnflow,
            {
                **common,
                "description": project["description"],
                "dependencies": [f"rnn-core=={project['version']}", *dependencies],
                "server": project["optional-dependencies"]["server"],
            },
        )
        return _build(rnn_core, output), _build(rnnflow, output)


def _distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def _copy(package: Path, target: Path) -> None:
    """Copies a package without what was compiled here: it is for this machine alone."""
    shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__", "*.so*"))


def _write_metadata(source: Path, values: dict[str, Any]) -> None:
    """Writes pyproject.toml and LICENSE; strings and lists are written alike in JSON and TOML."""
    template = Template((ROOT / "wheels" / f"{source.name}.toml.in").read_text(encoding="utf-8"))
    text = template.substitute({key: json.dumps(value) for key, value in values.items()})
    (source / "pyproject.toml").write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "LICENSE", source)


def _build(source: Path, output: Path) -> Path:
    """Builds in a folder of its own, because pip does not say which file it made."""
    wheels = source / "wheels"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    command += ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(wheels)]
    subprocess.run([*command, str(source)], check=True)
    (wheel,) = wheels.glob("*.whl")
    output.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(wheel, output))


if __name__ == "__main__":
    main()
