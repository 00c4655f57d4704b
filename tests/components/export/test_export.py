from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnn_core
from components.artifacts.predictions import read_predictions, write_predictions
from components.artifacts.schema import load_schema, schema_directory
from components.artifacts.storage import is_complete
from components.artifacts.values import Export, Metrics, Model
from components.config import ExportConfig, ModelConfig, TrainingConfig
from components.errors import SkewError
from components.evaluation.measure import measure_model
from components.export.export import export_model
from components.export.saved_model import score_raw_tensors, score_saved_model
from components.registry import packaging, pyfunc
from components.training.datasets import read_raw_records
from components.training.estimator import load_estimator
from components.training.train import train_model
from tests.components.conftest import Prepared


@dataclasses.dataclass(frozen=True)
class Trained:
    """A model of every kind of feature, and what it reached."""

    prepared: Prepared
    model: Model
    metrics: Metrics

    @property
    def estimator(self) -> rnn_core.RNNEstimator:
        return load_estimator(self.model)


@pytest.fixture(scope="module")
def trained(mixed: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    # All that is said of the export is said of the temperature, and of several networks, too.
    training = TrainingConfig(
        batch_size=16, max_steps=6, evaluate_every_steps=3, temperature_scaling=True,
        ensemble_size=2,
    )  # fmt: skip
    model = train_model(
        mixed.examples, ModelConfig(units=(8,)), training, 7, directory=folder / "model"
    )
    assert model.temperature != 1.0
    assert len(set(model.checkpoints)) == 2
    metrics = measure_model(model, mixed.examples, directory=folder / "metrics")
    return Trained(mixed, model, metrics)


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Export:
    directory = tmp_path_factory.mktemp("export") / "fingerprint"
    return export_model(
        trained.estimator,
        trained.prepared.examples,
        trained.metrics,
        ExportConfig(check_rows=1_000),
        trained.model,
        directory,
    )


def test_an_export_is_checked_on_as_many_rows_as_there_are(
    exported: Export, trained: Trained
) -> None:
    assert exported.digest == trained.model.digest
    assert exported.checked_rows == trained.metrics.examples
    assert 0 <= exported.largest_difference <= 1e-5
    directory = Path(exported.path)
    assert is_complete(directory)
    check = json.loads((directory / "check.json").read_text())
    assert check["rows"] == exported.checked_rows
    assert check["signatures"] == ["serving_default", "raw"]
    assert check["largest_difference"] == exported.largest_difference
    exported_schema = load_schema(schema_directory(directory / "saved_model"))
    assert exported_schema == load_schema(trained.prepared.path)


@pytest.mark.slow
def test_a_check_that_ends_with_an_error_says_which_and_how_to_see_more(
    trained: Trained, tmp_path: Path
) -> None:
    damaged = shutil.copytree(trained.prepared.path, tmp_path / "examples")
    (damaged / "raw_test-00001-of-00002.tfrecord").write_bytes(b"no record" * 9)
    examples = dataclasses.replace(trained.prepared.examples, path=str(damaged))
    wanted = r"fresh process: .*corrupted record.*python -m components\.export\.fresh_process"
    with pytest.raises(SkewError, match=wanted):
        export_model(
            trained.estimator,
            examples,
            trained.metrics,
            ExportConfig(check_rows=1_000),
            trained.model,
            tmp_path / "export",
        )
    assert not (tmp_path / "export").exists()


def test_what_is_served_is_what_was_evaluated(exported: Export, trained: Trained) -> None:
    saved_model = Path(exported.path) / "saved_model"
    records = list(read_raw_records(trained.prepared.examples))
    expected = read_predictions(Path(trained.metrics.predictions_path))
    for score in (score_saved_model, score_raw_tensors):
        labels, probabilities, ids = score(saved_model, records, 7)
        assert labels == expected.classes
        np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-5)
        np.testing.assert_array_equal(ids, expected.predicted_index)
    assert np.ptp(expected.probabilities, axis=0).max() > 1e-3


def test_the_example_of_an_export_is_a_row_that_mlflow_can_serve(
    exported: Export, trained: Trained
) -> None:
    directory = Path(exported.path)
    example = json.loads((directory / "example.json").read_text())
    features = trained.prepared.features
    assert set(example) == {one.in_rows(key) for key, one in features.by_name.items()}

    class Context:
        artifacts = {  # noqa: RUF012
            "saved_model": str(directory / "saved_model"),
            **packaging.SERVED_MODULES,
        }
        model_config = packaging.model_config(directory)

    classifier = pyfunc.SequenceClassifier()
    classifier.load_context(Context())
    (answer,) = classifier.predict(None, pd.DataFrame([example])).to_dict("records")
    expected = read_predictions(Path(trained.metrics.predictions_path))
    found = [answer["probabilities"][label] for label in expected.classes]
    np.testing.assert_allclose(found, expected.probabilities[0], atol=1e-5)


def test_a_model_that_does_not_answer_as_it_was_evaluated_is_not_exported(
    trained: Trained, tmp_path: Path
) -> None:
    table = read_predictions(Path(trained.metrics.predictions_path))
    moved = table.probabilities.copy()
    moved[1] += 1e-3
    path = tmp_path / "predictions.parquet"
    write_predictions(dataclasses.replace(table, probabilities=moved), path)
    metrics = dataclasses.replace(trained.metrics, predictions_path=str(path))
    directory = tmp_path / "export"
    with pytest.raises(SkewError, match=f"row '{table.ids[1]}'"):
        export_model(
            trained.estimator,
            trained.prepared.examples,
            metrics,
            ExportConfig(check_rows=2),
            trained.model,
            directory,
        )
    assert not directory.exists()
