"""Receivers of ``Data``, requests to them, and an estimator that needs no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import rnn_core
from rnn_core import export
from rnn_core.storage import checkpoints
from tests.rnn_core.samples import (
    WIDTH,
    Data,
    context_columns,
    make_estimator,
    sequence_columns,
)

v1 = tf.compat.v1


def untrained(model_dir: Path, **changes: Any) -> rnn_core.RNNClassifier:
    """An estimator with a checkpoint of initial values."""
    model_dir.mkdir(parents=True)
    estimator = make_estimator(model_dir, **changes)
    model = estimator.new_model(rnn_core.ModeKeys.TRAIN)
    values = {"global_step": tf.constant(1, tf.int64), **model.variables}
    checkpoints.write(values, str(model_dir / "model.ckpt-1"))
    checkpoints.write_state(str(model_dir), ["model.ckpt-1"])
    return estimator


def parsing_receiver() -> Any:
    columns = sequence_columns() + context_columns()
    spec = tf.feature_column.make_parse_example_spec(columns)
    return export.build_parsing_serving_input_receiver_fn(spec)()


def raw_features() -> dict[str, Any]:
    return {
        "numbers": v1.sparse_placeholder(tf.float32, [None, None]),
        "tokens": v1.sparse_placeholder(tf.int64, [None, None]),
        "context": v1.placeholder(tf.float32, [None, 2]),
        "category": v1.placeholder(tf.int64, [None, 1]),
    }


def raw_receiver() -> Any:
    features = raw_features()
    return export.ServingInputReceiver(features, features)


def alternative_receiver() -> Any:
    """Serialized examples, or what is parsed from them."""
    serialized = v1.placeholder(tf.string, [None])
    columns = sequence_columns() + context_columns()
    spec = tf.feature_column.make_parse_example_spec(columns)
    features = tf.io.parse_example(serialized, spec)
    return export.ServingInputReceiver(features, serialized, {"raw": dict(features)})


def sequence_example_receiver() -> Any:
    """A step is one element of a list of features."""
    serialized = v1.placeholder(tf.string, [None])
    context, sequences, _ = tf.io.parse_sequence_example(
        serialized,
        {
            "context": tf.io.FixedLenFeature([2], tf.float32),
            "category": tf.io.FixedLenFeature([1], tf.int64),
        },
        {
            "numbers": tf.io.RaggedFeature(tf.float32),
            "tokens": tf.io.VarLenFeature(tf.int64),
        },
    )
    return export.ServingInputReceiver({**context, **sequences}, {"sequences": serialized})


def supervised_receiver() -> Any:
    features, label = raw_features(), v1.placeholder(tf.int64, [None, 1])
    return export.SupervisedInputReceiver(features, label, {**features, "label": label})


def read(path: str) -> SavedModel:
    """The message in an export."""
    return SavedModel.FromString((Path(path) / "saved_model.pb").read_bytes())


def examples(data: Data) -> list[bytes]:
    """Each row as a serialized ``tf.train.Example``."""
    return [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "numbers": _floats(numbers.reshape(-1)),
                    "tokens": _ints(tokens),
                    "context": _floats(context),
                    "category": _ints(category),
                }
            )
        ).SerializeToString()
        for numbers, tokens, context, category in rows(data)
    ]


def sequence_examples(data: Data) -> list[bytes]:
    """Each row as a serialized ``tf.train.SequenceExample``."""
    return [
        tf.train.SequenceExample(
            context=tf.train.Features(
                feature={"context": _floats(context), "category": _ints(category)}
            ),
            feature_lists=tf.train.FeatureLists(
                feature_list={
                    "numbers": tf.train.FeatureList(feature=[_floats(step) for step in numbers]),
                    "tokens": tf.train.FeatureList(feature=[_ints([step]) for step in tokens]),
                }
            ),
        ).SerializeToString()
        for numbers, tokens, context, category in rows(data)
    ]


def rows(data: Data) -> Any:
    features = data.features()
    return zip(
        [row.numpy() for row in features["numbers"]],
        [row.numpy() for row in features["tokens"]],
        data.context,
        data.category,
        strict=True,
    )


def sparse_inputs(data: Data, sparse_category: bool = False) -> dict[str, Any]:
    """The features as the arguments of a loaded signature with sparse sequences."""
    features = data.features()
    numbers = features["numbers"]
    features["numbers"] = tf.RaggedTensor.from_row_splits(
        tf.reshape(numbers.flat_values, [-1]), numbers.row_splits * WIDTH
    )
    inputs = {"context": data.context}
    for name in ("numbers", "tokens"):
        inputs |= _parts(name, features[name].to_sparse())
    if sparse_category:
        return inputs | _parts("category", tf.sparse.from_dense(data.category + 1), -1)
    return {**inputs, "category": data.category}


def _parts(name: str, tensor: tf.SparseTensor, added: int = 0) -> dict[str, Any]:
    return {
        f"{name}_indices": tensor.indices.numpy(),
        f"{name}_values": tensor.values.numpy() + added,
        f"{name}_dense_shape": tensor.dense_shape.numpy(),
    }


def _floats(values: Any) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _ints(values: Any) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
