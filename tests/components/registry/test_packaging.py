from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
import yaml

from components.registry.packaging import create_version
from components.tracking.client import MlflowClient, connect
from tests.components.toy_export import FEATURES, ToyExport

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture(scope="module")
def client(store: str) -> MlflowClient:
    return connect(store)


@pytest.fixture(scope="module")
def package(client: MlflowClient, toy: ToyExport) -> Path:
    """The directory of the MLflow model in the artifact store."""
    number = create_version(client, toy.export, "packaged", None)
    uri = client.get_model_version_download_uri("packaged", str(number))
    return Path(uri.removeprefix("file://"))


def test_the_saved_model_lies_inside_untouched(package: Path, toy: ToyExport) -> None:
    inside = package / "artifacts" / "saved_model"
    files = {path.relative_to(inside): path.read_bytes() for path in _files(inside)}
    original = {
        path.relative_to(toy.saved_model): path.read_bytes() for path in _files(toy.saved_model)
    }
    assert files == original


def test_what_serving_needs_is_pinned_and_names_no_index(package: Path) -> None:
    lines = (package / "requirements.txt").read_text().splitlines()
    names = ("mlflow", "numpy", "pandas", "tensorflow")
    assert lines == [f"{name}=={importlib.metadata.version(name)}" for name in names]


def test_the_model_has_a_signature_an_example_and_its_origin(
    package: Path, client: MlflowClient
) -> None:
    model = yaml.safe_load((package / "MLmodel").read_text())
    inputs = {one["name"] for one in yaml.safe_load(model["signature"]["inputs"])}
    features = {feature.in_rows(key) for key, feature in FEATURES.by_name.items()}
    assert inputs == {*features, "sequence", "context"}
    assert (package / "input_example.json").is_file()
    (version,) = client.search_model_versions("name = 'packaged'")
    assert model["run_id"] == version.run_id
    assert version.run_id is not None
    assert client.get_run(version.run_id).info.status == "FINISHED"


def test_no_compiled_code_is_uploaded(package: Path) -> None:
    code = sorted(path.name for path in package.rglob("*.py"))
    assert code == ["pyfunc.py", "row_parsing.py", "row_scoring.py"]
    assert not list(package.rglob("*.pyc"))


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]
