"""What the graph of a dataset says of its iterator's state: whether it is exact, and how large."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import tensorflow as tf

# A policy: each checkpoint holds the state, so it should cost no more than a small model does.
LARGEST_STATE_BYTES: Final = 2**20
"""A larger state of an iterator is not saved, unless it is asked for."""
# The size of a row is a lower bound only (unknown dimensions count as 1), so that for many rows it
# proves nothing.
_MOST_BUFFERED_ROWS: Final = 10_000
"""A buffer for more rows is taken as large before its rows are known."""
_SCALARS: Final = (tf.int64.as_datatype_enum, tf.string.as_datatype_enum)
_IGNORE_EXTERNAL_STATE, _FAIL_ON_EXTERNAL_STATE = 1, 2
"""``ExternalStatePolicy``: only to inspect the graph; to depend on nothing outside of it."""
_PYTHON_OPS: Final = frozenset({"PyFunc", "EagerPyFunc", "PyFuncStateless"})
_RANDOM_OPS: Final = frozenset(
    {
        "Multinomial", "ParameterizedTruncatedNormal", "RandomGamma", "RandomPoisson",
        "RandomPoissonV2", "RandomShuffle", "RandomStandardNormal", "RandomUniform",
        "RandomUniformInt", "TruncatedNormal",
    }
)  # fmt: skip
_GENERATOR_OPS: Final = ("RngReadAndSkip", "RngSkip", "StatefulStandard", "StatefulUniform")


@dataclasses.dataclass(frozen=True)
class InputGraph:
    """What the graph of a dataset says of its iterator."""

    is_exact: bool
    """Whether a restored iterator continues exactly as the saved one would."""
    large_buffer: str | None
    """What makes the iterator's state large, whatever the rows are."""
    unrepeatable: str | None
    """What may give other values when the input is read again."""


def inspect(dataset: tf.data.Dataset) -> InputGraph:
    """Reads the graph of ``dataset``.

    TensorFlow 2.21 (like those before) restores a shuffled dataset with the orders of other epochs
    if something stands between ``shuffle`` and ``repeat``, as in ``shuffle().batch().repeat()``;
    ``shuffle().repeat().batch()`` is restored exactly.
    """
    # Twice: the strict policy says whether the dataset depends on anything outside of its graph;
    # the lenient one then shows the graph of one that does.
    graph = _graph(dataset, _FAIL_ON_EXTERNAL_STATE)
    is_exact = graph is not None and _is_exact(graph)
    graph = graph or _graph(dataset, _IGNORE_EXTERNAL_STATE)
    if graph is None:
        return InputGraph(False, None, "what is not made of TensorFlow's operations")
    functions = [graph.node, *(function.node_def for function in graph.library.function)]
    buffers = [text for nodes in functions for text in _large_buffers(nodes)]
    unrepeatable = None if is_exact else _unrepeatable(functions)
    return InputGraph(is_exact, next(iter(buffers), None), unrepeatable)


def _is_exact(graph: Any) -> bool:
    nested = [node.op for function in graph.library.function for node in function.node_def]
    # What a shuffle in a function, such as that of interleave, feeds is not seen here.
    if any(op.startswith("Shuffle") for op in nested):
        return False
    repeats = [node for node in graph.node if node.op == "RepeatDataset"]
    # Exact: every shuffle feeds a repeat directly, or nothing repeats.
    repeated = {node.input[0] for node in repeats}
    shuffled = {node.name for node in graph.node if node.op.startswith("ShuffleDataset")}
    return not repeats or shuffled <= repeated


def _large_buffers(nodes: Iterable[Any]) -> Iterator[str]:
    values = _constants(nodes)
    for node in nodes:
        given = _values(node, values)
        # Input 1 of a cache is its file, empty for memory; input 1 of a shuffle is its size, -1 for
        # all rows.
        if node.op.startswith("CacheDataset") and not given[1]:
            yield "it caches its rows in memory"
        if node.op.startswith("ShuffleDataset") and given[1] is not None:
            rows = int(given[1])
            if _is_large(node, rows):
                yield f"its shuffle has a buffer for {rows if rows > 0 else 'all'} rows"


def _unrepeatable(functions: Sequence[Iterable[Any]]) -> str | None:
    nodes = [node for function in functions for node in function]
    ops = {node.op for node in nodes}
    draws = [node for node in nodes if node.op in _RANDOM_OPS]
    if any(op.startswith(_GENERATOR_OPS) for op in ops):
        return "a tf.random.Generator"
    if any(node.attr["seed"].i == node.attr["seed2"].i == 0 for node in draws):
        return "random operations without a seed"
    # Even with seeds: its threads draw from one generator in the order in which they happen to run.
    if draws and any(op.startswith("Parallel") for op in ops):
        return "random operations in a parallel function"
    if any(_shuffles_without_seed(function) for function in functions):
        return "a shuffle without a seed"
    return "Python functions" if ops & _PYTHON_OPS else None


def _shuffles_without_seed(nodes: Iterable[Any]) -> bool:
    values = _constants(nodes)
    return any(
        _values(node, values)[2:4] == [0, 0] for node in nodes if node.op.startswith("Shuffle")
    )


def _is_large(node: Any, rows: int) -> bool:
    """Whether a buffer of ``rows`` outputs of ``node`` is large; unknown dimensions count as 1."""
    if not 0 < rows <= _MOST_BUFFERED_ROWS:
        return True
    shapes = node.attr["output_shapes"].list.shape
    types = node.attr["output_types"].list.type
    row_bytes = sum(
        math.prod(max(dim.size, 1) for dim in shape.dim) * max(tf.dtypes.as_dtype(kind).size, 1)
        for shape, kind in zip(shapes, types, strict=True)
    )
    return rows * row_bytes > LARGEST_STATE_BYTES


def _constants(nodes: Iterable[Any]) -> dict[str, Any]:
    """The constant scalars by name: sizes and seeds (int64), names of files."""
    tensors = {node.name: node.attr["value"].tensor for node in nodes if node.op == "Const"}
    return {
        name: tf.make_ndarray(tensor).item()
        for name, tensor in tensors.items()
        if tensor.dtype in _SCALARS and not tensor.tensor_shape.dim
    }


def _values(node: Any, constants: Mapping[str, Any]) -> list[Any]:
    """The values of a node's inputs, None for those that are no constants."""
    # A function's nodes name an output of the constant, as in "size:output:0".
    return [constants.get(name.partition(":")[0]) for name in node.input]


def _graph(dataset: tf.data.Dataset, policy: int) -> Any:
    """A ``GraphDef``; None if the dataset has none."""
    try:
        text = tf.raw_ops.DatasetToGraphV2(
            input_dataset=tf.data.experimental.to_variant(dataset), external_state_policy=policy
        )
    except tf.errors.OpError:
        return None
    return tf.compat.v1.GraphDef.FromString(text.numpy())
