"""What computes, without TensorFlow: all sets of vector instructions, and all widths of vectors."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rnn_core.kernels import build

ROOT = Path(__file__).resolve().parents[3]


def test_all_instructions_give_the_same_numbers_on_any_number_of_threads(tmp_path: Path) -> None:
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    program = tmp_path / "recurrence_test"
    source = Path(__file__).with_name("recurrence_test.cc")
    flags = ["-std=c++17", "-O1", "-Wno-psabi", "-pthread", f"-I{ROOT}"]
    subprocess.run([compiler, *flags, str(source), "-o", str(program)], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.stdout.endswith(" 0 failures\n"), done.stdout
