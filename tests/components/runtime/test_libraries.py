"""TensorFlow is loaded in silence, and nothing else is silenced."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOAD = """
import os, sys
from components.runtime.libraries import load_tensorflow
os.write(2, b"before\\n")
try:
    load_tensorflow()
finally:
    os.write(2, b"after\\n")
load_tensorflow()
print("tensorflow" in sys.modules)
"""


LOAD_MEANWHILE = """
import gc, os, sys
from components.runtime.libraries import load_tensorflow, tensorflow_loading
with tensorflow_loading():
    print("free")
os.write(2, b"after\\n")
load_tensorflow()
print("tensorflow" in sys.modules, gc.isenabled(), gc.get_threshold()[0] > 700)
"""


IMPORT = """
import os, sys
from components.runtime.libraries import mute_import_of_tensorflow
mute_import_of_tensorflow()
mute_import_of_tensorflow()
import json
os.write(2, b"before\\n")
import tensorflow.version
os.write(2, b"after\\n")
print(tensorflow.version.VERSION == tensorflow.__version__)
"""


def _load(*paths: Path, code: str = LOAD) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path[:0] = {[str(path) for path in paths]}\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_loading_writes_nothing_and_gives_standard_error_back() -> None:
    done = _load()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"
    assert done.stderr == "before\nafter\n"


def test_whoever_imports_it_first_need_not_know_that_it_is_muted() -> None:
    done = _load(code=IMPORT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True\n"
    assert done.stderr == "before\nafter\n"


def test_a_tensorflow_that_cannot_be_loaded_raises_as_usual(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'noise')\nraise ImportError('libcuda is broken')\n"
    )
    done = _load(tmp_path)
    assert done.returncode == 1
    assert "ImportError: libcuda is broken" in done.stderr
    assert done.stderr.startswith("before\nafter\n")
    assert "noise" not in done.stderr


@pytest.mark.slow
def test_a_thread_loads_it_meanwhile() -> None:
    done = _load(code=LOAD_MEANWHILE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "free\nTrue True True\n"
    assert done.stderr == "after\n"


def test_who_needs_a_tensorflow_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libcuda is broken')\n")
    done = _load(tmp_path, code=LOAD_MEANWHILE)
    assert done.returncode == 1
    assert done.stderr.startswith("after\n")
    assert done.stderr.count("ImportError: libcuda is broken") == 1


def test_what_keras_could_do_without_is_not_loaded_with_it_but_can_be_later() -> None:
    done = _load(
        code="from components.runtime.libraries import load_tensorflow; load_tensorflow()\n"
        "import sys; print({'matplotlib', 'sklearn'} & sys.modules.keys())\n"
        "import sklearn, matplotlib.pyplot"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "set()\n"
