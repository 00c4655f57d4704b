"""The transform graph that is served is the one that made the training examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.artifacts.schema import load_schema
from components.errors import NotFoundError
from components.export.transform_graph import load_transform
from components.training.datasets import read_batches, read_raw_records
from components.training.example_parsing import parse_raw_examples
from tests.components.conftest import Prepared

ROOT = Path(__file__).parents[3]


class Served(tf.Module):
    """The transform graph behind the parser, as an exported model holds it."""

    def __init__(self, examples_path: str) -> None:
        super().__init__()
        self._schema = load_schema(examples_path)
        self.transform = load_transform(examples_path)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, serialized: tf.Tensor) -> dict[str, Any]:
        features = self.transform(parse_raw_examples(serialized, self._schema))
        return {
            name: value.to_tensor() if isinstance(value, tf.RaggedTensor) else value
            for name, value in features.items()
        }


@pytest.mark.parametrize("fixture", ["mixed", "vowels"])
def test_served_features_are_those_of_training(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    prepared: Prepared = request.getfixturevalue(fixture)
    raw = tf.constant(list(read_raw_records(prepared.examples)))
    served = load_transform(prepared.path)(
        parse_raw_examples(raw, load_schema(prepared.path))
    )  # fmt: skip
    trained, _ = next(iter(read_batches(prepared.examples, "test", len(raw))))
    assert set(served) == set(trained)
    for name, value in trained.items():
        assert served[name].dtype == value.dtype
        tf.nest.map_structure(
            np.testing.assert_array_equal,
            [part.numpy() for part in tf.nest.flatten(served[name], expand_composites=True)],
            [part.numpy() for part in tf.nest.flatten(value, expand_composites=True)],
        )


def test_a_string_that_training_never_saw_goes_to_a_bucket(mixed: Prepared) -> None:
    schema = load_schema(mixed.path)
    raw = tf.constant([next(read_raw_records(mixed.examples))])
    features = parse_raw_examples(raw, schema)
    features["colour"] = tf.constant([["never seen"]])
    (colour,) = load_transform(mixed.path)(features)["colour"].numpy()
    assert colour == schema.vocabulary_sizes["colour"] - 1


def test_a_saved_model_with_the_graph_runs_in_a_process_without_tft(
    mixed: Prepared, tmp_path: Path
) -> None:
    served = Served(str(mixed.path))
    raw = list(read_raw_records(mixed.examples))
    expected = {name: value.numpy() for name, value in served(tf.constant(raw)).items()}
    tf.saved_model.save(served, str(tmp_path / "saved"))
    np.savez(tmp_path / "expected.npz", **expected)
    (tmp_path / "raw.txt").write_text("\n".join(record.hex() for record in raw))
    # Moved, so that nothing in it can point to where the vocabularies came from.
    (tmp_path / "saved").rename(tmp_path / "moved")
    script = """
import sys, pathlib, numpy as np, tensorflow as tf
folder = pathlib.Path(sys.argv[1])
raw = [bytes.fromhex(line) for line in (folder / "raw.txt").read_text().split()]
found = tf.saved_model.load(str(folder / "moved"))(tf.constant(raw))
expected = np.load(folder / "expected.npz")
assert set(found) == set(expected.files)
for name in expected.files:
    np.testing.assert_array_equal(found[name].numpy(), expected[name])
assert not [name for name in sys.modules if name.startswith(("tensorflow_transform", "tfx_bsl"))]
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=tmp_path)


def test_a_directory_without_a_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="holds no transform graph"):
        load_transform(tmp_path)
