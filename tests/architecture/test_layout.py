"""Rooms that stay small, and names of modules and files that lead somewhere wherever they stand."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipelines", "components", "rnn_core")
MOST_MODULES = 15
MOST_LINES = 500

# Code is found by strings too: `-m` modules, templates, manifests, settings of tools, and prose.
_FOLDERS = (*PACKAGES, "benchmarks", "docs", "examples", "infra", "tests")
_FILES = ("Dockerfile", "Makefile", "README.md", "prefect.yaml", "pyproject.toml")
_SUFFIXES = {".py", ".md", ".yaml", ".sh"}
_DOTTED = re.compile(r"(?<![\w./-])((?:components|rnn_core|pipelines)(?:\.[a-z_]\w*)+)(?!\w|/)")
_IMPORT = re.compile(
    r"from ((?:components|rnn_core|pipelines|tests)(?:\.\w+)*) import ([a-zA-Z_]\w*(?:, \w+)*)"
)
_PATH = re.compile(r"(?<![\w./-])((?:components|rnn_core|pipelines|tests|infra)/[\w/]+\.\w+)")


def _folders() -> list[Path]:
    return sorted({path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")})


def _texts() -> Iterator[tuple[str, str]]:
    paths = [ROOT / name for name in _FILES]
    paths += [path for folder in _FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
    for path in paths:
        if path.is_file() and (path.parent == ROOT or path.suffix in _SUFFIXES):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def _leads_somewhere(dotted: str) -> bool:
    """Whether it is a module, or a name in one; what follows that name may be anything."""
    parts = dotted.split(".")
    if ROOT.joinpath(*parts).is_dir() or ROOT.joinpath(*parts).with_suffix(".py").is_file():
        return True
    for end in range(len(parts) - 1, 0, -1):
        base = ROOT.joinpath(*parts[:end])
        if base.with_suffix(".py").is_file() or (base / "__init__.py").is_file():
            return hasattr(importlib.import_module(".".join(parts[:end])), parts[end])
    return False


@pytest.mark.parametrize("folder", _folders(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_holds_few_modules(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= MOST_MODULES


def test_no_file_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in _folders()
        for path in folder.glob("*.py")
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long


def test_a_module_that_is_named_somewhere_is_there() -> None:
    named = {
        (dotted, file)
        for file, text in _texts()
        for dotted in _DOTTED.findall(text)
        if file not in _MADE_UP
    }
    lost = sorted((dotted, file) for dotted, file in named if not _leads_somewhere(dotted))
    assert not lost


def test_an_import_in_a_string_or_in_prose_finds_its_name() -> None:
    imports = {
        (f"{module}.{name.strip()}", file)
        for file, text in _texts()
        for module, names in _IMPORT.findall(text)
        for name in names.split(",")
        if file not in _MADE_UP
    }
    assert not sorted(item for item in imports if not _leads_somewhere(item[0]))


def test_a_file_that_is_named_somewhere_is_there() -> None:
    lost = sorted(
        (path, file)
        for file, text in _texts()
        for path in _PATH.findall(text)
        if file not in _MADE_UP and not (ROOT / path).exists()
    )
    assert not lost


_MADE_UP = (
    "tests/components/runtime/test_fingerprints.py",
    "tests/architecture/test_layout.py",
)
"""Their modules are made in the test."""
