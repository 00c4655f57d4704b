"""model -> export: a SavedModel that takes raw rows, checked in a fresh process.

The directory of an export:
    saved_model/    what serves: see ``components.export.serving_graph`` for its two signatures
    example.json    one row as a client sends it
    limits.json     how large a request to the served model may be
    check.json      on how many rows, and how closely, the fresh process agreed
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rnn_core
from components.artifacts.predictions import read_predictions
from components.artifacts.schema import Schema, load_schema, save_schema, schema_directory
from components.artifacts.storage import building, write_atomically
from components.artifacts.values import RAW_TEST, Examples, Export, Metrics, Model
from components.config import ExportConfig
from components.data.passes.row_sample import SAMPLE
from components.errors import SkewError
from components.export.ensemble import Ensemble
from components.export.serving_graph import Served
from components.export.skew import SIGNATURES, largest_difference
from components.export.transform_graph import load_transform
from components.runtime.libraries import quiet_libraries
from components.runtime.subprocesses import child_environment

SAVED_MODEL = "saved_model"
CHECK_TIMEOUT_SECONDS = 900
"""A process that hangs is ended then."""


def export_model(
    estimator: rnn_core.RNNEstimator,
    examples: Examples,
    metrics: Metrics,
    config: ExportConfig,
    model: Model,
    directory: Path,
) -> Export:
    """Exports the model's checkpoint together with the transform graph, and checks the result.

    Args:
        estimator: the trained model.
        examples: the examples whose transform graph and raw test rows are used.
        metrics: the evaluation, whose predictions the exported model must repeat.
        config: rows and tolerance of the check.
        model: which checkpoints.
        directory: the directory of the export.

    Raises:
        SkewError: the exported model does not answer as the evaluation did, or does not load.
        StorageError: the disk is full or the directory cannot be written.
    """
    schema = load_schema(examples.path)
    expected = read_predictions(Path(metrics.predictions_path))
    rows = min(config.check_rows, len(expected))
    with building(directory) as partial:
        predictors = [rnn_core.load_predictor(estimator, one) for one in model.checkpoints]
        predictor = predictors[0] if len(predictors) == 1 else Ensemble(predictors)
        transform = load_transform(examples.path)
        served = Served(schema, transform, predictor, model.temperature, model.threshold)
        with quiet_libraries():
            path = str(partial / SAVED_MODEL)
            tf.saved_model.save(served, path, signatures=served.signatures)
        # In the SavedModel itself: a copy of it alone must be able to say what a row holds.
        save_schema(schema, schema_directory(partial / SAVED_MODEL))
        # Rows to come are compared with those that the model was trained on.
        sample = Path(examples.path) / SAMPLE
        if sample.is_file():
            shutil.copyfile(sample, schema_directory(partial / SAVED_MODEL) / SAMPLE)
        write_atomically(partial / "example.json", _example(examples, schema))
        limits = {name: getattr(config, name) for name in ("max_request_rows", "max_request_steps")}
        write_atomically(partial / "limits.json", json.dumps(limits) + "\n")
        answers = _answers_of_fresh_process(partial / SAVED_MODEL, examples, rows)
        largest = largest_difference(answers, expected, config.tolerance, model.threshold)
        check = {
            "rows": rows,
            "signatures": list(SIGNATURES),
            "largest_difference": largest,
            "tolerance": config.tolerance,
            "tensorflow": tf.__version__,
        }
        write_atomically(partial / "check.json", json.dumps(check, indent=2) + "\n")
    return Export(str(directory), model.digest, largest, rows)


def _answers_of_fresh_process(saved_model: Path, examples: Examples, rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "answers.npz"
        source = Path(examples.path) / RAW_TEST
        arguments = [str(saved_model), str(source), str(rows), str(output)]
        # A process of its own, as a server is one: in this one, variables, tables or Python code of
        # the training could make a SavedModel work that is not complete.
        done = subprocess.run(
            [sys.executable, "-m", "components.export.fresh_process", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=CHECK_TIMEOUT_SECONDS,
            env=child_environment(),
        )
        if done.returncode != 0:
            last_line = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:500]
            raise SkewError(
                f"the exported model does not work in a fresh process: {last_line}. "
                f"To see more: python -m components.export.fresh_process {' '.join(arguments)}"
            )
        with np.load(output) as answers:
            return dict(answers)


def _example(examples: Examples, schema: Schema) -> str:
    """The first raw test row as JSON: a value per feature."""
    files = sorted(str(path) for path in Path(examples.path).glob(f"{RAW_TEST}-*"))
    record = next(iter(tf.data.TFRecordDataset(files).take(1).as_numpy_iterator()))
    row = tf.train.SequenceExample.FromString(record)
    lists = row.feature_lists.feature_list
    sequence = {
        feature.in_rows(name): [_plain(step, feature.raw.is_list) for step in lists[name].feature]
        for name, feature in schema.features.sequence.items()
    }
    context = {
        feature.in_rows(name): _plain(row.context.feature[name], feature.raw.is_list)
        for name, feature in schema.features.context.items()
    }
    return json.dumps({**sequence, **context}) + "\n"


def _plain(feature: Any, is_list: bool) -> Any:
    values = list(getattr(feature, feature.WhichOneof("kind")).value)
    plain = [value.decode() if isinstance(value, bytes) else value for value in values]
    return plain if is_list else plain[0]
