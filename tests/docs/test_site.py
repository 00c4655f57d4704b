"""The site: it builds without a dead link, its references are complete, it loads nothing from
elsewhere, and every error message has its line in the troubleshooting page."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.cli import rnnflow
from rnn_core import export, public
from tests.projects import ROOT

DOCS = ROOT / "docs"
_TROUBLESHOOTING = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the extra 'docs' is not installed")
    directory = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return directory


def test_every_config_key_has_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS / "hooks"))
    config_reference = importlib.import_module("config_reference")
    assert config_reference.undocumented_keys() == []


@pytest.mark.slow
def test_every_command_is_in_the_reference(site: Path) -> None:
    text = (site / "cli_reference.html").read_text()
    for name, command in rnnflow.commands.items():
        assert f'id="rnnflow-{name}"' in text
        for parameter in command.params:
            for flag in parameter.opts:
                assert flag.lower() in text.lower(), f"{name}: {flag}"


@pytest.mark.slow
def test_every_public_name_of_rnn_core_is_in_the_reference(site: Path) -> None:
    text = (site / "rnn_core_api.html").read_text()
    names = [f"rnn_core.{name}" for name in public.__all__ if name != "export"]
    exported = [f"rnn_core.export.{name}" for name in export.__all__]
    shown = set(re.findall(r'id="(rnn_core[\w.]*)"', text))
    aliases = {"rnn_core.export.Predictor", "rnn_core.export.load_predictor"}  # both names of one
    assert sorted({*names, *exported} - shown - aliases) == []


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text()
        )
        assert loaded == [], page.name


def raised_messages() -> Iterator[tuple[str, str]]:
    """Where each error of ``components.errors`` is raised, and its message with … for values."""
    tree = ast.parse((ROOT / "components" / "errors.py").read_text())
    errors = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    for package in ("components", "pipelines"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id in errors
                    and node.args
                    and (text := _template(node.args[0]))
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def _template(message: ast.expr) -> str:
    if isinstance(message, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in message.values
        )
    return str(message.value) if isinstance(message, ast.Constant) else ""


def test_every_error_message_is_explained() -> None:
    """By its words: a page that is worded a little differently still helps who searches in it."""
    explained = [_words(code) for code in re.findall(r"`([^`]+)`", _TROUBLESHOOTING)]
    missing = [
        f"{where}: {message}"
        for where, message in raised_messages()
        if (words := _words(message))
        and max(len(words & each) / len(words | each) for each in explained) < 0.5
    ]
    assert missing == []


def _words(message: str) -> frozenset[str]:
    return frozenset(re.findall(r"[A-Za-z_]{2,}", message.lower()))


def test_every_file_that_a_page_names_exists() -> None:
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        for name in re.findall(
            r"`((?:components|pipelines|rnn_core|benchmarks)/[\w./]+)`", page.read_text()
        ):
            assert (ROOT / name).exists(), f"{page.name}: {name}"
