"""Where a run comes from: the commit, the versions, the host."""

from __future__ import annotations

import importlib.metadata
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from components.runtime.fingerprints import ROOT
from pipelines import provenance
from pipelines.provenance import provenance_tags, versions

IN_A_CHECKOUT = (ROOT / ".git").exists()


def test_every_version_that_matters_is_the_installed_one() -> None:
    found = versions()
    assert {"python", "rnnflow", "tensorflow", "keras", "mlflow", "prefect"} <= set(found)
    for name in set(found) - {"python"}:
        assert found[name] == importlib.metadata.version(name)


def test_the_tags_name_versions_and_host() -> None:
    tags = provenance_tags()
    assert tags["version.tensorflow"] == importlib.metadata.version("tensorflow")
    assert tags["host.name"] == socket.gethostname()
    assert all(isinstance(value, str) and value for value in tags.values())


@pytest.mark.skipif(not IN_A_CHECKOUT, reason="the code lies in no git checkout")
def test_in_a_checkout_the_commit_is_gits() -> None:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    tags = provenance_tags()
    assert tags["git.commit"] == head
    assert tags["git.dirty"] in ("true", "false")


def test_a_change_that_is_not_committed_makes_the_checkout_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init"], ["commit", "--allow-empty", "--message", "x"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    clean = provenance_tags()
    assert re.fullmatch("[0-9a-f]{40}", clean["git.commit"])
    assert clean["git.dirty"] == "false"
    (tmp_path / "new.py").write_text("x = 1\n")
    assert provenance_tags()["git.dirty"] == "true"


@pytest.mark.parametrize("why", ["no checkout", "no git"])
def test_without_a_checkout_the_commit_is_what_the_build_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setattr(provenance, "ROOT", tmp_path)
        # Were the temporary directory inside a checkout, git would look above it.
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    monkeypatch.setenv("GIT_COMMIT", "abc123")
    tags = provenance_tags()
    assert (tags["git.commit"], tags["git.dirty"]) == ("abc123", "unknown")
    monkeypatch.delenv("GIT_COMMIT")
    assert provenance_tags()["git.commit"] == "unknown"
