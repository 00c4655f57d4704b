"""Where an export keeps what is not TensorFlow's."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
from tensorflow.python.tools import saved_model_cli

from components.artifacts.schema import load_schema, schema_directory
from components.export.saved_model import score_saved_model
from tests.components.toy_export import FEATURES, LABELS, ToyExport

pytest_plugins = ["tests.components.mlflow_fixtures"]


def test_the_schema_goes_where_the_saved_model_goes(toy: ToyExport, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(toy.saved_model, copy)
    schema = load_schema(schema_directory(copy))
    assert (schema.features, schema.labels) == (FEATURES, LABELS)


def test_it_is_the_directory_that_tensorflow_passes_over(toy: ToyExport) -> None:
    assert schema_directory(toy.saved_model).name == "assets.extra"
    assert [path.name for path in schema_directory(toy.saved_model).iterdir()] == ["schema.json"]
    _, probabilities, _ = score_saved_model(toy.saved_model, toy.records, batch_size=2)
    np.testing.assert_allclose(probabilities, toy.probabilities, atol=1e-6)


def test_a_folder_for_each_version_is_what_tensorflow_serving_looks_for(
    toy: ToyExport, tmp_path: Path
) -> None:
    version = tmp_path / "toy" / "3"
    shutil.copytree(toy.saved_model, version)
    names = ["motion", "pulse", "word_1_a", "event", "size", "age", "colour", "Laden", "lengths"]
    for signature, arguments in (("serving_default", ["examples"]), ("raw", names)):
        with redirect_stdout(io.StringIO()) as shown:
            saved_model_cli._show_inputs_outputs(str(version), "serve", signature)
        assert "Method name is: tensorflow/serving/predict" in shown.getvalue()
        for argument in arguments:
            assert f"inputs['{argument}']" in shown.getvalue()
