"""The shard of a dataset that one worker reads: together, workers read each row once per epoch.

Files are assigned by their index in the sorted list of names; if there are fewer files than
workers, or none, each worker reads all and takes every W-th batch.
"""

from __future__ import annotations

from typing import Any, Final

import tensorflow as tf

from rnn_core.errors import ArgumentError

_BY_FILE: Final = 1
"""``AutoShardPolicy.FILE``."""
_IGNORE_EXTERNAL_STATE: Final = 1
"""``ExternalStatePolicy.IGNORE``: only the graph is inspected, so state outside does not matter."""


def share(dataset: tf.data.Dataset, worker: int, workers: int) -> tf.data.Dataset:
    """The shard of ``worker``, one of ``workers``.

    Raises:
        ArgumentError: it is sharded by batches, and shuffled without a seed: each worker would
            shard another order.
    """
    if _has_files_for(dataset, workers):
        return _files_of(dataset, worker, workers)
    if shuffles_without_seed(dataset):
        raise ArgumentError(
            f"input_fn: {workers} workers share its batches, and so must see them in one order, "
            "but it shuffles without a seed. Give shuffle a seed, write at least as many files as "
            "there are workers, or take the argument input_context and shard before you shuffle."
        )
    return dataset.shard(workers, worker)


def _has_files_for(dataset: tf.data.Dataset, workers: int) -> bool:
    """Whether each worker gets a file: the last one has none if there are too few."""
    operations = {node.op for nodes in _nodes(dataset) for node in nodes}
    if not operations & {"TFRecordDatasetV2", "TFRecordDataset", "TextLineDataset"}:
        return False
    return any(True for _ in _files_of(dataset, workers - 1, workers).take(1))


def _files_of(dataset: tf.data.Dataset, worker: int, workers: int) -> tf.data.Dataset:
    structure = dataset.element_spec
    variant = tf.raw_ops.AutoShardDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        num_workers=workers,
        index=worker,
        auto_shard_policy=_BY_FILE,
        num_replicas=workers,
        output_types=tf.nest.flatten(_flat(structure, lambda spec: spec.dtype)),
        output_shapes=tf.nest.flatten(_flat(structure, lambda spec: spec.shape)),
    )
    return tf.data.experimental.from_variant(variant, structure)


def _flat(structure: Any, of: Any) -> Any:
    """``of`` each component's spec; composite tensors are variants inside of a dataset's graph."""
    composite = tf.TensorSpec(None, tf.variant)
    return tf.nest.map_structure(
        lambda spec: of(spec if isinstance(spec, tf.TensorSpec) else composite), structure
    )


def shuffles_without_seed(dataset: tf.data.Dataset) -> bool:
    """Whether two iterators over ``dataset`` may differ in their order."""
    for nodes in _nodes(dataset):
        values = {node.name: _value(node) for node in nodes if node.op == "Const"}
        for node in nodes:
            # The inputs 2 and 3 of a shuffle are seed and seed2: both 0 stand for no seed. A
            # function's nodes name an output of the constant, as in "seed:output:0".
            if node.op.startswith("Shuffle") and all(
                values.get(name.partition(":")[0]) == 0 for name in node.input[2:4]
            ):
                return True
    return False


def _value(node: Any) -> Any:
    if node.attr["dtype"].type != tf.int64.as_datatype_enum:
        return None
    value = tf.make_ndarray(node.attr["value"].tensor)
    return int(value) if value.ndim == 0 else None


def _nodes(dataset: tf.data.Dataset) -> list[list[Any]]:
    """The nodes of the dataset's graph, and those of each function in it."""
    variant = tf.data.experimental.to_variant(dataset)
    text = tf.raw_ops.DatasetToGraphV2(
        input_dataset=variant, external_state_policy=_IGNORE_EXTERNAL_STATE
    )
    graph = tf.compat.v1.GraphDef.FromString(text.numpy())
    return [list(graph.node), *(list(one.node_def) for one in graph.library.function)]
