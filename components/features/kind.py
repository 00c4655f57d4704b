"""What every stage needs to know of a feature: its settings are one object with these methods.

A value passes through them in this order, T being the steps of a row and F a feature's width:

    raw        their type in a row, the Arrow columns, the raw examples and the requests;
               ``components.data.row_parsing`` checks rows by it, with ``id_limit``
    transform  raw tensor -> transformed tensor, inside the graph that TFT learns and serving runs
    transformed  their type in the training examples
    column     transformed tensor -> the model's input

A config is read without TensorFlow, and a model is trained without TFT: a method that needs one of
them imports it in its body.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from components.features.observed import Observed

# The types of ``tf.train.Feature``, to which every feature's values come down.
DType: TypeAlias = Literal["float32", "int64", "string"]


class ValueType(NamedTuple):
    """The type of the value at one step; a context feature has the value of one step."""

    dtype: DType
    step_shape: tuple[int, ...] = ()
    """[F] for a vector, [] for a single value."""

    @property
    def values_per_step(self) -> int:
        """F, or 1 for a single value."""
        return math.prod(self.step_shape)

    @property
    def is_list(self) -> bool:
        """Whether a step is a list in JSON; a vector of one number is written as the number."""
        return self.values_per_step > 1


class FeatureKind(ABC):
    """The base of the settings of a feature."""

    name_in_rows: str | None
    """What the rows call the feature, where its key in the config is not that name."""

    def in_rows(self, name: str) -> str:
        """What the rows call the feature whose key in the config is ``name``."""
        return self.name_in_rows or name

    @property
    @abstractmethod
    def raw(self) -> ValueType:
        """The type of a value as it comes, in a row or a request."""

    @property
    def transformed(self) -> ValueType:
        """The type of a value as the model takes it."""
        return self.raw

    @property
    def largest_number(self) -> float | None:
        """The largest magnitude that ``transform`` can take; None for no limit."""
        return None

    @property
    def id_limit(self) -> int | None:
        """Whole numbers of a row are in [0, ``id_limit``); None for no limit."""
        return None

    @property
    def filled_with(self) -> float | int | str | None:
        """What a value that is null, or absent from the context, is read as; None: it is refused.

        Of numbers, ``previous`` stands for the number of the step before.
        """
        return None

    @property
    def subtracted(self) -> float | Literal["first", "previous"]:
        """What is taken from each number of a row before it is rounded to float32."""
        return 0.0

    def placement_fault(self, is_sequence: bool) -> str | None:
        """Why the feature cannot be in this part of a row; None if it can."""
        del is_sequence
        return None

    def transform(self, values: Any, name: str) -> Any:
        """Adds the transformation of raw values to TFT's graph.

        Args:
            values: tensor of type ``raw``, [N, *step_shape] of all N steps of a batch; of a context
              feature [B, F], or [B, 1] for single values.
            name: of the feature.

        Returns:
            A tensor of type ``transformed`` and the same shape; ``values`` itself if nothing is to
            be done.
        """
        del name
        return values

    def id_count(self, name: str, transform_output: Any) -> int | None:
        """How many ids ``transform`` gives out; None if it gives out numbers.

        Args:
            name: of the feature.
            transform_output: the ``tft.TFTransformOutput`` of the analyzed training split.
        """
        del name, transform_output
        return None

    @abstractmethod
    def column(self, name: str, id_count: int | None, is_sequence: bool) -> Any:
        """The ``tf.feature_column`` that reads transformed values.

        Args:
            name: of the feature.
            id_count: what ``id_count`` returned.
            is_sequence: whether the feature has a value at each step.
        """

    @classmethod
    @abstractmethod
    def infer(cls, observed: Observed) -> Self | None:
        """Settings that fit what was seen of a feature; None if it is of another kind."""

    def doubt(self) -> str | None:
        """What a person should check if these settings were inferred; follows the name."""
        return None
