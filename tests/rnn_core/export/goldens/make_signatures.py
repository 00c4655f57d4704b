"""What tf.estimator of TensorFlow 2.15 writes into a SavedModel, as ``signatures.json``.

Run with TensorFlow 2.15.1:

    python make_signatures.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_estimator.python.estimator.export.export_lib import SupervisedInputReceiver

column, estimator, v1 = tf.feature_column, tf.estimator, tf.compat.v1


def columns() -> tuple[list[Any], list[Any]]:
    tokens = column.sequence_categorical_column_with_identity("tokens", 6)
    category = column.categorical_column_with_identity("category", 4)
    return (
        [
            column.sequence_numeric_column("numbers", shape=(2,)),
            column.embedding_column(tokens, 3),
        ],
        [column.numeric_column("context", shape=(2,)), column.indicator_column(category)],
    )


def batch() -> Any:
    features = {
        "numbers": tf.sparse.from_dense([[1.0, 2.0], [3.0, 4.0]]),
        "tokens": tf.sparse.from_dense([[1], [2]]),
        "context": tf.constant([[1.0, 2.0], [3.0, 4.0]]),
        "category": tf.constant([[1], [2]]),
    }
    return tf.data.Dataset.from_tensors((features, tf.constant([0, 1]))).repeat()


def trained(directory: str, classes: int) -> Any:
    sequence, context = columns()
    made = estimator.experimental.RNNClassifier(
        sequence, context, units=[3], cell_type="gru", n_classes=classes, model_dir=directory
    )
    return made.train(batch, steps=1)


def raw() -> dict[str, Any]:
    return {
        "numbers": v1.sparse_placeholder(tf.float32, [None, None]),
        "tokens": v1.sparse_placeholder(tf.int64, [None, None]),
        "context": v1.placeholder(tf.float32, [None, 2]),
        "category": v1.placeholder(tf.int64, [None, 1]),
    }


def raw_receiver() -> Any:
    features = raw()
    return estimator.export.ServingInputReceiver(features, features)


def alternative_receiver() -> Any:
    serialized = v1.placeholder(tf.string, [None])
    features = tf.io.parse_example(serialized, specification())
    return estimator.export.ServingInputReceiver(features, serialized, {"raw": dict(features)})


def specification() -> dict[str, Any]:
    sequence, context = columns()
    return column.make_parse_example_spec(sequence + context)


def supervised_receiver() -> Any:
    features, label = raw(), v1.placeholder(tf.int64, [None, 1])
    return SupervisedInputReceiver(features, label, {**features, "label": label})


def describe(info: Any) -> list[Any]:
    return [
        info.WhichOneof("encoding"),
        tf.as_dtype(info.dtype).name,
        [size.size for size in info.tensor_shape.dim],
    ]


def graphs(directory: bytes) -> dict[str, Any]:
    path = Path(directory.decode())
    message = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    found: dict[str, Any] = {
        ",".join(graph.meta_info_def.tags): {
            name: {
                "method": signature.method_name,
                "inputs": {key: describe(info) for key, info in signature.inputs.items()},
                "outputs": {key: describe(info) for key, info in signature.outputs.items()},
            }
            for name, signature in graph.signature_def.items()
        }
        for graph in message.meta_graphs
    }
    found["variables"] = sorted(
        name for name, _ in tf.train.list_variables(str(path / "variables" / "variables"))
    )
    return found


def main() -> None:
    found = {}
    parsing = estimator.export.build_parsing_serving_input_receiver_fn(specification())
    modes = estimator.ModeKeys
    for classes in (2, 3):
        with tempfile.TemporaryDirectory() as directory:
            model = trained(directory, classes)
            for name, receiver in (
                ("parsing", parsing),
                ("raw", raw_receiver),
                ("alternative", alternative_receiver),
            ):
                found[f"{name}-{classes}"] = graphs(
                    model.export_saved_model(f"{directory}/export", receiver)
                )
            receivers = {modes.TRAIN: supervised_receiver, modes.EVAL: supervised_receiver}
            receivers[modes.PREDICT] = parsing
            found[f"all-{classes}"] = graphs(
                model.experimental_export_all_saved_models(f"{directory}/export", receivers)
            )
    lines = [f'"{name}": {json.dumps(found[name], sort_keys=True)}' for name in sorted(found)]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    Path(__file__).with_name("signatures.json").write_text(text)


if __name__ == "__main__":
    main()
