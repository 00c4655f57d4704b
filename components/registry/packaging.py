"""A checked export as an MLflow model: a directory that `mlflow models serve` runs.

The SavedModel lies inside, untouched, at ``artifacts/saved_model``.
"""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import Any

from components.artifacts.schema import load_schema, schema_directory
from components.artifacts.storage import digest_of_directory
from components.artifacts.values import Export
from components.data.splits.values import row_format_of
from components.registry.versions import (
    DIGEST_TAG,
    SAVED_MODEL_DIGEST_TAG,
    ensure_registered,
)
from components.runtime.libraries import quiet_libraries
from components.tracking.client import (
    LoggedModel,
    LoggedModelOutput,
    MlflowClient,
    ensure_experiment,
    request_timeout,
)

SAVED_MODEL = "saved_model"
UPLOAD_SECONDS = 60
"""How long a request may take that uploads or fetches a SavedModel, from a server that answers."""
EXAMPLE = "example.json"
"""In the directory of an export: one row, a value per feature, as a client sends it."""

LIMITS = "limits.json"
"""Beside it: ``max_request_rows`` and ``max_request_steps``, as the config says."""

_SERVED_CODE = Path(__file__).with_name("pyfunc.py")
_COMPONENTS = Path(__file__).parents[1]
# Neither imports anything of this project: the served model loads its own copies. By their paths,
# as an import of the second would load TensorFlow.
SERVED_MODULES = {
    "row_parsing": str(_COMPONENTS / "data" / "row_parsing.py"),
    "row_scoring": str(_COMPONENTS / "export" / "row_scoring.py"),
}
_SERVED_PACKAGES = ("mlflow", "numpy", "pandas", "tensorflow")


def create_version(client: MlflowClient, export: Export, name: str, run_id: str | None) -> int:
    """Uploads an export as an output of its run and makes a version of it; returns its number.

    Args:
        client: of the server to upload to.
        export: the checked SavedModel.
        name: the registered model; it is made if it is missing.
        run_id: the MLflow run that made the model; without one, a run is made to hold it.

    Raises:
        MlflowException: the server is unreachable or rejects the request.
    """
    ensure_registered(
        client,
        name,
        f"Classifiers of labelled sequences that the pipeline `{name}` made, one version a model. "
        "The alias `champion` is the version that serves, `previous` the one before it. A "
        "version's description says what the gate decided; its source run has the report. "
        f"`rnnflow history {name}` lists who made which version the champion, and why.",
    )
    if run_id:
        run = client.get_run(run_id)
    else:
        run = client.create_run(ensure_experiment(client, name), run_name="registration")
    logged = client.create_logged_model(
        run.info.experiment_id,
        name,
        source_run_id=run.info.run_id,
        tags={DIGEST_TAG: export.digest},
        model_type="classifier",
    )
    with tempfile.TemporaryDirectory() as directory, request_timeout(UPLOAD_SECONDS):
        package = Path(directory) / "model"
        _write_package(Path(export.path), logged, run.info.run_id, package)
        client.log_model_artifacts(logged.model_id, str(package))
    # Only a complete upload becomes READY, and only then a version: a kill before leaves a logged
    # model that no version leads to, and the next run uploads again.
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, 0)])
    if not run_id:
        client.set_terminated(run.info.run_id)
    version = client.create_model_version(
        name,
        source=logged.artifact_location,
        run_id=run.info.run_id,
        tags={
            DIGEST_TAG: export.digest,
            SAVED_MODEL_DIGEST_TAG: digest_of_directory(Path(export.path) / SAVED_MODEL),
        },
        model_id=logged.model_id,
    )
    return int(version.version)


def model_config(export: Path) -> dict[str, Any]:
    """What the served model is told of its rows, and its limits, which a server may change."""
    schema = load_schema(schema_directory(export / SAVED_MODEL))
    return {
        "rows": row_format_of(schema, needs_key=True).as_json(),
        "max_row_steps": schema.max_row_steps,
        **json.loads((export / LIMITS).read_bytes()),
    }


def _write_package(export: Path, logged: LoggedModel, run_id: str, package: Path) -> None:
    """Writes the directory of the MLflow model."""
    with quiet_libraries():
        # Here, because they are slow and warn while they are imported, and a version that is
        # reused needs none of them.
        import mlflow.pyfunc
        import pandas as pd
        from mlflow.models.model import Model as MlflowModel

        from components.registry.signature import model_signature

        schema = load_schema(schema_directory(export / SAVED_MODEL))
        mlflow.pyfunc.save_model(
            path=str(package),
            python_model=str(_SERVED_CODE),
            artifacts={SAVED_MODEL: str(export / SAVED_MODEL), **SERVED_MODULES},
            model_config=model_config(export),
            signature=model_signature(schema.features, schema.label),
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
