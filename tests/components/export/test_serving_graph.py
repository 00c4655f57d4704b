from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.export.saved_model import score_raw_tensors
from components.export.serving_graph import raw_specs
from tests.components.toy_export import FEATURES, LABELS, LENGTHS, ToyExport

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture(scope="module")
def loaded(toy: ToyExport) -> Any:
    return tf.saved_model.load(str(toy.saved_model))


def test_the_raw_signature_takes_a_tensor_a_feature_and_the_lengths() -> None:
    specs = raw_specs(FEATURES)
    found = {name: (spec.shape.as_list(), spec.dtype) for name, spec in specs.items()}
    assert found == {
        "motion": ([None, None, 3], tf.float32),
        "pulse": ([None, None, 1], tf.float32),
        "word_1_a": ([None, None], tf.string),
        "event": ([None, None], tf.int64),
        "size": ([None, 2], tf.float32),
        "age": ([None, 1], tf.float32),
        "colour": ([None], tf.string),
        "Laden": ([None], tf.int64),
        "lengths": ([None], tf.int64),
    }


def test_both_signatures_answer_with_the_same_outputs(loaded: Any, toy: ToyExport) -> None:
    assert set(loaded.signatures) == {"serving_default", "raw"}
    answer = loaded.signatures["serving_default"](examples=tf.constant(toy.records))
    ids = toy.probabilities.argmax(axis=1)
    rows = len(LENGTHS)
    assert {name: (value.dtype, value.shape.as_list()) for name, value in answer.items()} == {
        "probabilities": (tf.float32, [rows, 3]),
        "logits": (tf.float32, [rows, 3]),
        "class_ids": (tf.int64, [rows]),
        "classes": (tf.string, [rows]),
    }
    np.testing.assert_array_equal(answer["class_ids"], ids)
    assert [one.decode() for one in answer["classes"].numpy()] == [LABELS[i] for i in ids]
    for signature in loaded.signatures.values():
        assert set(signature.structured_outputs) == set(answer)


def test_padding_changes_no_answer(toy: ToyExport) -> None:
    _, together, _ = score_raw_tensors(toy.saved_model, toy.records, batch_size=len(toy.records))
    np.testing.assert_allclose(together, toy.probabilities, atol=1e-6)
    assert len({round(row[0], 6) for row in toy.probabilities.tolist()}) == len(set(LENGTHS))


def test_what_lies_behind_the_length_of_a_row_is_not_read(loaded: Any, toy: ToyExport) -> None:
    specs = loaded.signatures["raw"].structured_input_signature[1]
    row = toy.rows[0]
    rubbish = {
        "motion": [[*row["motion"], [9.0, 9.0, 9.0]]],
        "pulse": [[[number] for number in [*row["pulse"], 9.0]]],
        "word_1_a": [[*row["word-1.a"], "rubbish"]],
        "event": [[*row["event"], 9]],
        "size": [row["size"]],
        "age": [[row["age"]]],
        "colour": [row["colour"]],
        "Laden": [row["Läden"]],
        "lengths": [LENGTHS[0]],
    }
    inputs = {name: tf.constant(value, specs[name].dtype) for name, value in rubbish.items()}
    found = loaded.signatures["raw"](**inputs)["probabilities"]
    np.testing.assert_allclose(found[0], toy.probabilities[0], atol=1e-6)
