"""The words that arguments take, for programs that read a configuration without TensorFlow.

Nothing is imported here. ``rnn_core.models.cells.KINDS`` and
``rnn_core.optimizers.optimizers.KINDS`` hold what the words of two stand for, and a test holds that
both have every word.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

CellType: TypeAlias = Literal["simple_rnn", "lstm", "gru"]
"""The built-in recurrent cells, as ``cell_type``."""

ContextPlace: TypeAlias = Literal["steps", "head", "both"]
"""Where context features enter a network, as ``NetworkConfig.context``."""

InputCheckpoint: TypeAlias = Literal["auto", "iterator", "count", "none"]
"""How a checkpoint holds the position in the input, as ``RunConfig.input_checkpoint``."""

OptimizerName: TypeAlias = Literal["adagrad", "adam", "ftrl", "rmsprop", "sgd"]
"""The optimizers that have a name, as ``optimizer``."""

LayerOutput: TypeAlias = Literal["steps", "last", "mean", "max", "mean_max"]
"""What recurrent layers give of a sequence: all steps, the last one, or what they come to."""

PoolingName: TypeAlias = Literal["last", "mean", "max", "mean_max", "attention"]
"""How the outputs of the steps become one vector, as ``NetworkConfig.pooling``."""
