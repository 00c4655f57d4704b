"""A checked export as an MLflow model: a directory that `mlflow models serve` runs.

The SavedModel lies inside, untouched, at ``artifacts/saved_model``.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.mlflow_client import LoggedModel
from components.quiet import quiet_libraries
from components.schema import load_schema

SAVED_MODEL = "saved_model"
EXAMPLE = "example.json"
"""In the directory of an export: one row, a value a feature, as a client sends it."""

_SERVED_CODE = Path(__file__).with_name("serving_model.py")
_SERVED_PACKAGES = ("mlflow", "numpy", "pandas", "tensorflow")


@contextlib.contextmanager
def build_package(export: Path, logged: LoggedModel, run_id: str) -> Iterator[Path]:
    """Yields the directory of the MLflow model; it is gone afterwards.

    Args:
      export: the directory of an Export.
      logged: the MLflow model that it will be, whose ids go into its ``MLmodel`` file.
      run_id: the MLflow run that made it.
    """
    with tempfile.TemporaryDirectory() as parent:
        package = Path(parent) / "model"
        _save(export, logged, run_id, package)
        yield package


def _save(export: Path, logged: LoggedModel, run_id: str, package: Path) -> None:
    with quiet_libraries():
        # Here, because they are slow and warn while they are imported, and a version that is
        # reused needs none of them.
        import mlflow.pyfunc
        import pandas as pd
        from mlflow.models.model import Model as MlflowModel

        from components.mlflow_signature import model_signature

        mlflow.pyfunc.save_model(
            path=str(package),
            python_model=str(_SERVED_CODE),
            artifacts={SAVED_MODEL: str(export / SAVED_MODEL)},
            signature=model_signature(load_schema(export).features),
            input_example=pd.DataFrame([json.loads((export / EXAMPLE).read_bytes())]),
            pip_requirements=[
                f"{name}=={importlib.metadata.version(name)}" for name in _SERVED_PACKAGES
            ],
            mlflow_model=MlflowModel(
                artifact_path=logged.artifact_location,
                model_uuid=logged.model_id,
                run_id=run_id,
                model_id=logged.model_id,
            ),
        )
