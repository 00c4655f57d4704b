"""What the infrastructure's files say, read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def infra() -> Path:
    return ROOT / "infra"


@pytest.fixture(scope="session")
def compose_text(infra: Path) -> str:
    return (infra / "compose.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def services(compose_text: str) -> dict[str, dict[str, Any]]:
    """The compose services by name, with YAML's merges done."""
    return dict(yaml.safe_load(compose_text)["services"])


@pytest.fixture(scope="session")
def objects(infra: Path) -> list[dict[str, Any]]:
    """Every Kubernetes object that the kustomization lists in a file of its own."""
    folder = infra / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    files = [folder / name for name in listed["resources"] if name.endswith(".yaml")]
    return [
        item
        for file in files
        for item in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if item is not None
    ]


@pytest.fixture(scope="session")
def generated(infra: Path) -> dict[str, list[str]]:
    """ConfigMaps made from files that compose mounts too: their names and their files."""
    shared = yaml.safe_load((infra / "shared" / "kustomization.yaml").read_text(encoding="utf-8"))
    return {item["name"]: item["files"] for item in shared["configMapGenerator"]}
