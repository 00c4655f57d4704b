"""What the native operations run, without TensorFlow: the programs that ``make sanitize`` watches.

``recurrence_test``: all sets of vector instructions, and all widths of vectors, give the same
numbers on any number of threads. ``exchange_test``: all workers get the same sum, or an error each.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rnn_core.kernels import build

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["recurrence_test", "exchange_test"])
def test_a_program_finds_no_failure(name: str, tmp_path: Path) -> None:
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    program, source = tmp_path / name, Path(__file__).with_name(f"{name}.cc")
    flags = ["-std=c++17", "-O1", "-Wno-psabi", "-pthread", f"-I{ROOT}"]
    subprocess.run([compiler, *flags, str(source), "-o", str(program)], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.stdout.endswith(" 0 failures\n"), done.stdout
