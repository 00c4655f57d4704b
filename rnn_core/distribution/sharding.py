"""The share of a dataset that one of many workers reads: together they read each row once an epoch.

Files are dealt out by their place in the order of their names; if there are fewer files than
workers, or none, each worker reads all and takes every W-th batch.
"""

from __future__ import annotations

from typing import Any, Final

import tensorflow as tf

from rnn_core.errors import ArgumentError

_BY_FILE: Final = 0
"""``AutoShardPolicy.AUTO``: by files if there are some, else by elements."""
_BY_ELEMENT: Final = 2
"""``AutoShardPolicy.DATA``."""


def share(dataset: tf.data.Dataset, worker: int, workers: int) -> tf.data.Dataset:
    """The share of ``worker``.

    Raises:
        ArgumentError: it is dealt out by batches, and shuffled without a seed: each worker would
            deal out another order.
    """
    if _has_files_for(dataset, workers):
        return _sharded(dataset, worker, workers, _BY_FILE)
    if shuffles_without_seed(dataset):
        raise ArgumentError(
            f"input_fn: {workers} workers share its batches, and so must see them in one order, "
            "but it shuffles without a seed. Give shuffle a seed, write at least as many files as "
            "there are workers, or take the argument input_context and shard before you shuffle."
        )
    return _sharded(dataset, worker, workers, _BY_ELEMENT)


def _has_files_for(dataset: tf.data.Dataset, workers: int) -> bool:
    """Whether each worker gets a file; a dataset that reads no files is dealt out by elements."""
    try:
        for _ in _sharded(dataset, 0, workers, _BY_FILE).take(1):
            pass
    except tf.errors.InvalidArgumentError as error:
        if "not enough for the required" not in str(error):
            raise
        return False
    return _reads_files(dataset)


def _reads_files(dataset: tf.data.Dataset) -> bool:
    operations = {node.op for node in _nodes(dataset)}
    return bool(operations & {"TFRecordDatasetV2", "TFRecordDataset", "TextLineDataset"})


def _sharded(dataset: tf.data.Dataset, worker: int, workers: int, policy: int) -> tf.data.Dataset:
    structure = dataset.element_spec
    variant = tf.raw_ops.AutoShardDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        num_workers=workers,
        index=worker,
        auto_shard_policy=policy,
        num_replicas=workers,
        output_types=tf.nest.flatten(_flat(structure, lambda spec: spec.dtype)),
        output_shapes=tf.nest.flatten(_flat(structure, lambda spec: spec.shape)),
    )
    return tf.data.experimental.from_variant(variant, structure)


def _flat(structure: Any, of: Any) -> Any:
    """What a dataset's operations are told of each element: composite tensors are variants."""
    composite = tf.TensorSpec(None, tf.variant)
    return tf.nest.map_structure(
        lambda spec: of(spec if isinstance(spec, tf.TensorSpec) else composite), structure
    )


def shuffles_without_seed(dataset: tf.data.Dataset) -> bool:
    """Whether each iterator over ``dataset`` may have an order of its own."""
    nodes = _nodes(dataset)
    values = {node.name: _value(node) for node in nodes if node.op == "Const"}
    return any(
        all(values.get(name) == 0 for name in node.input[2:4])
        for node in nodes
        if node.op.startswith("Shuffle")
    )


def _value(node: Any) -> Any:
    if node.attr["dtype"].type != tf.int64.as_datatype_enum:
        return None
    value = tf.make_ndarray(node.attr["value"].tensor)
    return int(value) if value.ndim == 0 else None


def _nodes(dataset: tf.data.Dataset) -> list[Any]:
    variant = tf.data.experimental.to_variant(dataset)
    text = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1)
    graph = tf.compat.v1.GraphDef.FromString(text.numpy())
    return [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]
