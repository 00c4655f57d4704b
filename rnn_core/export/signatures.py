"""Signatures: the names, inputs and outputs by which a SavedModel is served.

``tf.saved_model.save`` writes one method only, and a sparse input as three. Here the messages of
the file are filled in directly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from rnn_core.export.supervised import EvalOutput, SupervisedOutput, TrainOutput
from rnn_core.heads.export_outputs import (
    ClassificationOutput,
    ExportOutput,
    PredictOutput,
    RegressionOutput,
)
from rnn_core.types import Features, TensorLike

Output: TypeAlias = ExportOutput | SupervisedOutput
logger = logging.getLogger("rnn_core")

_METHODS: Final[dict[type, str]] = {
    PredictOutput: tf.saved_model.PREDICT_METHOD_NAME,
    ClassificationOutput: tf.saved_model.CLASSIFY_METHOD_NAME,
    RegressionOutput: tf.saved_model.REGRESS_METHOD_NAME,
    EvalOutput: "tensorflow/supervised/eval",
    TrainOutput: "tensorflow/supervised/training",
}


def signature_defs(
    outputs: Mapping[str, Output],
    receivers: Features,
    alternatives: Mapping[str, Features] | None = None,
) -> dict[str, SignatureDef]:
    """Signatures by name; those that cannot be served are left out, and logged.

    Args:
        outputs: export outputs by the name of the signature.
        receivers: what a request feeds, by the name of the input.
        alternatives: more of these by name, for signatures ``name:signature``.
    """
    groups = {"": receivers, **{f"{name}:": fed for name, fed in (alternatives or {}).items()}}
    signatures = {}
    for prefix, fed in groups.items():
        for name, output in outputs.items():
            if obstacle := _obstacle(output, fed):
                logger.info("Signature %s%s is left out: %s", prefix, name, obstacle)
            else:
                signatures[f"{prefix}{name}"] = _signature(output, fed)
    return signatures


def _signature(output: Output, fed: Features) -> SignatureDef:
    if isinstance(output, (ClassificationOutput, RegressionOutput)):
        # Servers find the one input of these two methods by this name, and so did 2.15.
        (examples,) = fed.values()
        fed = {"inputs": examples}
    return SignatureDef(
        inputs={name: tensor_info(tensor) for name, tensor in fed.items()},
        outputs={name: tensor_info(tensor) for name, tensor in _outputs(output).items()},
        method_name=_METHODS[type(output)],
    )


def tensor_info(tensor: TensorLike) -> TensorInfo:
    """Where in the graph a tensor (dense, sparse or ragged) is, with its dtype and shape."""
    if isinstance(tensor, tf.RaggedTensor):
        return TensorInfo(
            composite_tensor=TensorInfo.CompositeTensor(
                type_spec=tf.type_spec_from_value(tensor).experimental_as_proto(),
                components=[
                    tensor_info(part) for part in tf.nest.flatten(tensor, expand_composites=True)
                ],
            )
        )
    kind = {"dtype": tensor.dtype.as_datatype_enum, "tensor_shape": tensor.shape.as_proto()}
    if not isinstance(tensor, tf.SparseTensor):
        return TensorInfo(name=tensor.name, **kind)
    parts = TensorInfo.CooSparse(
        values_tensor_name=tensor.values.name,
        indices_tensor_name=tensor.indices.name,
        dense_shape_tensor_name=tensor.dense_shape.name,
    )
    return TensorInfo(coo_sparse=parts, **kind)


def _outputs(output: Output) -> dict[str, TensorLike]:
    if isinstance(output, ClassificationOutput):
        both = {"classes": output.classes, "scores": output.scores}
        return {name: value for name, value in both.items() if value is not None}
    if isinstance(output, RegressionOutput):
        return {"outputs": output.value}
    if isinstance(output, SupervisedOutput):
        return output.outputs
    return dict(output.outputs)


def _obstacle(output: Output, fed: Features) -> str | None:
    """Why the output cannot be served from what is fed; None if it can."""
    if isinstance(output, (ClassificationOutput, RegressionOutput)):
        if [getattr(value, "dtype", None) for value in fed.values()] != [tf.string]:
            return f"it needs one input of strings, got {', '.join(fed)}"
        if any(v.dtype not in (tf.string, tf.float32) for v in _outputs(output).values()):
            return "its scores must be float32"
    unfed = _unfed_placeholders(_outputs(output).values(), fed.values())
    return f"it needs {', '.join(unfed)}, which it is not fed" if unfed else None


def _unfed_placeholders(outputs: Iterable[TensorLike], fed: Iterable[TensorLike]) -> list[str]:
    """Names of the placeholders that ``outputs`` are made from without passing ``fed``."""
    # A placeholder without a value is an error only when a request is served. The search ends at
    # what is fed, as a request replaces these tensors whatever they are computed from.
    known = {tensor.ref() for tensor in tf.nest.flatten(list(fed), expand_composites=True)}
    tensors = tf.nest.flatten(list(outputs), expand_composites=True)
    queue = [tensor.op for tensor in tensors if tensor.ref() not in known]
    seen = set(queue)
    while queue:
        operation = queue.pop()
        before = {tensor.op for tensor in operation.inputs if tensor.ref() not in known}
        new = before.union(operation.control_inputs) - seen
        seen |= new
        queue += new
    return sorted(operation.name for operation in seen if operation.type == "Placeholder")
