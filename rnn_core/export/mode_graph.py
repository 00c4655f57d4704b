"""The graph of a model for one mode, as the ``MetaGraphDef`` that a SavedModel holds for it.

Each export builds a new graph, whose variables have no values in it: those come from the
checkpoint. So nothing is run, and the names of the variables are those of the checkpoint.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

from rnn_core import callables
from rnn_core.errors import ArgumentError, CheckpointError
from rnn_core.export.receiver_fns import ReceiverFn
from rnn_core.export.signatures import Output, signature_defs
from rnn_core.export.supervised import EvalOutput, TrainOutput
from rnn_core.models.layer_choice import stock_operations
from rnn_core.models.model import Model
from rnn_core.types import ModeKeys

_Keys: Final = tf.compat.v1.GraphKeys
_MAIN_OP: Final = tf.compat.v1.saved_model.MAIN_OP_KEY
_TRAIN_OP: Final = "saved_model_train_op"
_COLLECTIONS: Final = (
    _Keys.GLOBAL_VARIABLES,
    _Keys.TRAINABLE_VARIABLES,
    _Keys.LOCAL_VARIABLES,
    _Keys.TABLE_INITIALIZERS,
    _Keys.ASSET_FILEPATHS,
    _Keys.GLOBAL_STEP,
    _MAIN_OP,
    _TRAIN_OP,
)
_TAGS: Final = {ModeKeys.TRAIN: "train", ModeKeys.EVAL: "eval", ModeKeys.PREDICT: "serve"}


@dataclasses.dataclass(frozen=True)
class ModeGraph:
    """One graph of a SavedModel."""

    message: MetaGraphDef
    variables: Mapping[str, tf.Variable]
    """By their names in a checkpoint, the global step included."""
    assets: Mapping[str, str]
    """Files that its tables are read from, by the names of the tensors that hold their paths."""


def build(
    source: ModelSource, mode: str, receiver_fn: ReceiverFn, strip_default_attrs: bool
) -> ModeGraph:
    """The graph from the tensors of the receiver to the outputs of the model in ``mode``.

    Raises:
        ArgumentError: ``receiver_fn`` is missing or gives no receiver, or nothing is exported.
        FeatureError, MissingFeatureError, LabelError: the receiver does not fit the model.
    """
    if not callable(receiver_fn):
        raise ArgumentError(
            f"Expected a function that returns an input receiver for mode {mode!r}, got "
            f"{receiver_fn!r}; rnn_core.export builds some."
        )
    callables.check("serving_input_receiver_fn", receiver_fn, ())
    # A graph of TensorFlow 1, as in a SavedModel of tf.estimator: several modes with one set of
    # variables, a sparse tensor as one input, and signatures of any method.
    graph = tf.Graph()
    with graph.as_default(), _variables_without_values(), stock_operations():
        global_step = tf.compat.v1.train.get_or_create_global_step()
        receiver = _checked_receiver(receiver_fn(), mode)
        model = source.new_model(mode)
        outputs = _outputs(model, receiver, mode, global_step)
        variables = {"global_step": global_step, **model.variables}
        signatures = signature_defs(
            outputs,
            receiver.receiver_tensors,
            getattr(receiver, "receiver_tensors_alternatives", None),
        )
        message = _message(graph, variables, strip_default_attrs)
    message.meta_info_def.tags.append(_TAGS[mode])
    for name, signature in signatures.items():
        message.signature_def[name].CopyFrom(signature)
    return ModeGraph(message, variables, _assets(graph))


def _checked_receiver(receiver: Any, mode: str) -> Any:
    # Any object with these attributes will do, as in 2.15.
    needed = ["features", "receiver_tensors", *(["labels"] if mode != ModeKeys.PREDICT else [])]
    missing = [name for name in needed if not hasattr(receiver, name)]
    if missing:
        raise ArgumentError(
            f"Mode {mode!r}: expected an input receiver with {', '.join(needed)}, got {receiver!r}."
        )
    return receiver


def _outputs(
    model: Model, receiver: Any, mode: str, global_step: tf.Variable
) -> Mapping[str, Output]:
    """The outputs of each signature, by its name."""
    if mode == ModeKeys.PREDICT:
        outputs = model.export_outputs(model.predictions(receiver.features))
        if not outputs:
            raise ArgumentError("The model has no export_outputs: there is nothing to export.")
        return outputs
    made = model.supervised(receiver.features, receiver.labels, global_step)
    if mode == ModeKeys.EVAL:
        return {"eval": EvalOutput(made.loss, made.predictions, made.metrics)}
    tf.compat.v1.add_to_collection(_TRAIN_OP, made.train_op)
    return {"train": TrainOutput(made.loss, made.predictions)}


def _message(
    graph: tf.Graph, variables: Mapping[str, tf.Variable], strip_default_attrs: bool
) -> MetaGraphDef:
    # Sharded, as TensorFlow 1 writes the saver of a SavedModel: loaders restore by its operations.
    saver = tf.compat.v1.train.Saver(dict(variables), sharded=True)
    graph.add_to_collection(_MAIN_OP, _initialization(graph, variables))
    return tf.compat.v1.train.export_meta_graph(
        graph=graph,
        saver_def=saver.as_saver_def(),
        collection_list=[key for key in _COLLECTIONS if graph.get_collection_ref(key)],
        strip_default_attrs=strip_default_attrs,
    )


def _initialization(graph: tf.Graph, stored: Mapping[str, tf.Variable]) -> tf.Operation:
    """What a loader runs: initial values for what no checkpoint holds, such as sums of a metric."""
    # By reference: a variable is not hashable, and == compares values.
    known = {variable.ref() for variable in stored.values()}
    kinds = (_Keys.GLOBAL_VARIABLES, _Keys.LOCAL_VARIABLES)
    made = [variable for kind in kinds for variable in graph.get_collection(kind)]
    fresh = [variable for variable in made if variable.ref() not in known]
    return tf.group(tf.compat.v1.variables_initializer(fresh), tf.compat.v1.tables_initializer())


def _assets(graph: tf.Graph) -> dict[str, str]:
    paths = graph.get_collection(_Keys.ASSET_FILEPATHS)
    return {path.name: tf.get_static_value(path).item().decode() for path in paths}


@contextmanager
def _variables_without_values() -> Iterator[None]:
    """Makes variables start with zeros: a graph would hold initial values that are never used."""

    def create(next_creator: Callable[..., tf.Variable], **settings: Any) -> tf.Variable:
        value = settings.get("initial_value")
        if value is not None and not callable(value):
            # Numbers of Python are float32 and int32 for TensorFlow, but not for numpy.
            known = (
                value if hasattr(value, "dtype") else tf.make_ndarray(tf.make_tensor_proto(value))
            )
            array = known if tf.is_tensor(known) else np.asarray(known)
            dtype = settings.get("dtype") or array.dtype
            settings["initial_value"] = lambda: tf.zeros(array.shape, dtype)
        return next_creator(**settings)

    with tf.variable_creator_scope(create):
        yield


class ModelSource(Protocol):
    """The part of an estimator that exports read."""

    @property
    def model_dir(self) -> str:
        """Where its checkpoints are."""

    def latest_checkpoint(self) -> str | None:
        """Prefix of the newest checkpoint, None if there is none."""

    def new_model(self, mode: str) -> Model:
        """A model with initial values, for ``ModeKeys.TRAIN``, ``EVAL`` or ``PREDICT``."""


def checkpoint_to_export(
    source: ModelSource, checkpoint_path: str | os.PathLike[str] | None
) -> str:
    """``checkpoint_path``, or the newest checkpoint. Raises CheckpointError if there is none."""
    checkpoint = os.fspath(checkpoint_path) if checkpoint_path else source.latest_checkpoint()
    if checkpoint is None:
        raise CheckpointError(f"No checkpoint in {source.model_dir}: train first.")
    return checkpoint
