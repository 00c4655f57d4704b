"""What feature columns ask for: their variables and tables, and the features they read.

The columns of ``tf.feature_column`` take two helpers; both are ours, with the methods that the
columns call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import tensorflow as tf

from rnn_core.errors import FeatureError, MissingFeatureError
from rnn_core.graph import initializers
from rnn_core.types import FeatureColumn, Features, Table, TensorLike

CreateVariable: TypeAlias = Callable[..., tf.Variable]


class ColumnState:
    """Holds the variables and tables of columns, as the columns ask for them."""

    def __init__(self, scope: str, create: CreateVariable) -> None:
        self._scope = scope
        self._create = create
        self._names: dict[FeatureColumn, str] = {}
        self._variables: dict[str, tf.Variable] = {}
        self._resources: dict[tuple[str, str], Table] = {}

    def name_variables_of(self, feature_column: FeatureColumn, name: str) -> None:
        """Names the only variable of the column ``name``, without the scope."""
        self._names[feature_column] = name

    def create_variable(
        self,
        feature_column: FeatureColumn,
        name: str,
        shape: Sequence[int],
        dtype: tf.DType | None = None,
        trainable: bool = True,
        use_resource: bool = True,
        initializer: tf.initializers.Initializer | None = None,
    ) -> tf.Variable:
        """Makes the column's variable ``name``."""
        # Every variable of this package is a float32 resource variable; columns ask for no other.
        del dtype, use_resource
        full_name = self._name(feature_column, name)
        initial_values = initializers.from_column(initializer)
        variable = self._create(full_name, tuple(shape), initial_values, trainable=trainable)
        self._variables[full_name] = variable
        return variable

    def get_variable(self, feature_column: FeatureColumn, name: str) -> tf.Variable:
        """The variable that ``create_variable`` made."""
        return self._variables[self._name(feature_column, name)]

    def _name(self, feature_column: FeatureColumn, name: str) -> str:
        named = self._names.get(feature_column)
        return named or f"{self._scope}/{feature_column.name}/{name}"

    def add_resource(self, feature_column: FeatureColumn, name: str, resource: Table) -> None:
        """Keeps a lookup table."""
        self._resources[feature_column.name, name] = resource

    def has_resource(self, feature_column: FeatureColumn, name: str) -> bool:
        """Whether ``add_resource`` was called for it."""
        return (feature_column.name, name) in self._resources

    def get_resource(self, feature_column: FeatureColumn, name: str) -> Table:
        """The lookup table that ``add_resource`` kept."""
        return self._resources[feature_column.name, name]

    @property
    def resources(self) -> list[Table]:
        """All lookup tables."""
        return list(self._resources.values())


class FeatureCache:
    """Hands raw features and transformed columns to the columns that ask, each made once."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._made: dict[str | FeatureColumn, TensorLike] = {}

    def get(
        self,
        key: str | FeatureColumn,
        state_manager: ColumnState,
        training: bool | None = None,
    ) -> TensorLike:
        """The raw feature of that name, or the column's transformed feature.

        Raises:
            MissingFeatureError: the input has no feature of that name.
            FeatureError: the feature is a scalar.
        """
        del training
        if key not in self._made:
            self._made[key] = (
                self._raw(key)
                if isinstance(key, str)
                else key.transform_feature(self, state_manager)
            )
        return self._made[key]

    def _raw(self, key: str) -> TensorLike:
        feature = sparse_if_ragged(get_feature(self._features, key))
        if feature.shape.rank == 0:
            raise FeatureError(f"Feature {key!r}: expected a batch of values, got a scalar.")
        # [B] is a value for each row, [B, 1], as TensorFlow's own cache reads it.
        if feature.shape.rank != 1:
            return feature
        if isinstance(feature, tf.SparseTensor):
            return tf.sparse.reshape(feature, [-1, 1])
        return feature[:, tf.newaxis]


def get_feature(features: Features, key: str) -> TensorLike:
    """The feature ``key`` as a tensor (dense, sparse or ragged).

    Raises:
        MissingFeatureError: there is none.
    """
    if key not in features:
        raise MissingFeatureError(
            f"Feature {key!r} is not in the input, which has: {', '.join(sorted(features))}. "
            "Add it to what input_fn returns, or drop the column that reads it."
        )
    feature = features[key]
    if isinstance(feature, (tf.SparseTensor, tf.RaggedTensor)):
        return feature
    return tf.convert_to_tensor(feature)


def sparse_if_ragged(feature: TensorLike) -> tf.Tensor | tf.SparseTensor:
    """A ragged tensor as a sparse one; others as they are."""
    return feature.to_sparse() if isinstance(feature, tf.RaggedTensor) else feature
