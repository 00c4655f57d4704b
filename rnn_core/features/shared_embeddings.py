"""Embeddings that several columns share: one variable, named by the collection alone.

The column of ``tf.feature_column.shared_embeddings`` makes its variable by itself, once a graph;
here the variable belongs to the model like any other, and the lookup is that of an embedding.
"""

from __future__ import annotations

import tensorflow as tf

from rnn_core.features.column_state import ColumnState, FeatureCache
from rnn_core.types import FeatureColumn


class SharedEmbedding:
    """One column of ``tf.feature_column.shared_embeddings``.

    Its variable is created by whichever of the columns comes first.
    """

    def __init__(self, column: FeatureColumn) -> None:
        # The creator has the settings of the embedding, of which only the dimension is public.
        creator = vars(column.shared_embedding_column_creator)
        self.name: str = column.name
        self.categorical_column = column.categorical_column
        self.variable_shape: tf.TensorShape = column.variable_shape
        self._variable_name: str = creator["_name"]
        self.lookup = tf.feature_column.embedding_column(
            column.categorical_column,
            creator["_dimension"],
            combiner=column.combiner,
            initializer=creator["_initializer"],
            ckpt_to_load_from=creator["_ckpt_to_load_from"],
            tensor_name_in_ckpt=creator["_tensor_name_in_ckpt"],
            max_norm=column.max_norm,
            trainable=creator["_trainable"],
            use_safe_embedding_lookup=column.use_safe_embedding_lookup,
        )

    def create_state(self, state: ColumnState) -> None:
        """Makes the variable, or takes the one that another column made."""
        state.name_variables_of(self.lookup, self._variable_name)
        self.lookup.create_state(state)

    def get_dense_tensor(self, cache: FeatureCache, state: ColumnState) -> tf.Tensor:
        """float32 [B, dimension]."""
        return self.lookup.get_dense_tensor(cache, state)

    def get_sequence_dense_tensor(
        self, cache: FeatureCache, state: ColumnState
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """float32 [B, T, dimension] with int64 lengths [B]."""
        return self.lookup.get_sequence_dense_tensor(cache, state)
