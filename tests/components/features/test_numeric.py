"""Numbers: their check, type, transform and column."""

from __future__ import annotations

import pytest
import tensorflow as tf
from pydantic import TypeAdapter, ValidationError

from components.features.kind import ValueType
from components.features.numeric import NumericFeature

PLAIN = NumericFeature(kind="numeric")
WIDE = NumericFeature(kind="numeric", width=2)


def test_a_vector_of_numbers_is_its_type_before_and_after() -> None:
    assert WIDE.raw == WIDE.transformed == ValueType("float32", (2,))
    assert (WIDE.raw.values_per_step, WIDE.raw.is_list) == (2, True)
    assert (PLAIN.raw.values_per_step, PLAIN.raw.is_list) == (1, False)


def test_missing_numbers_are_refused_unless_the_config_says_otherwise() -> None:
    assert PLAIN.filled_with is None
    assert NumericFeature(kind="numeric", missing="previous").filled_with == "previous"
    assert NumericFeature(kind="numeric", missing=0).filled_with == 0.0


def test_a_value_of_the_context_has_no_step_before_it() -> None:
    first = NumericFeature(kind="numeric", subtract="first")
    assert first.placement_fault(is_sequence=True) is None
    assert "for a sequence" in (first.placement_fault(is_sequence=False) or "")
    filled = NumericFeature(kind="numeric", missing="previous")
    assert "for a sequence" in (filled.placement_fault(is_sequence=False) or "")
    constant = NumericFeature(kind="numeric", missing=-1)
    assert constant.placement_fault(is_sequence=False) is None
    offset = NumericFeature(kind="numeric", subtract=1.7e9)
    assert offset.placement_fault(is_sequence=False) is None


def test_only_what_is_scaled_has_a_largest_number() -> None:
    assert PLAIN.largest_number == 1e18
    assert NumericFeature(kind="numeric", normalize="none").largest_number is None
    assert NumericFeature(kind="numeric", log1p=True).largest_number is None
    assert NumericFeature(kind="numeric", clip=(0, 1)).largest_number is None


def test_what_is_clipped_has_a_least_number_below_the_greatest() -> None:
    with pytest.raises(ValidationError, match="clip: 3 is not below 2"):
        TypeAdapter(NumericFeature).validate_python({"kind": "numeric", "clip": [3, 2]})


def test_what_is_not_scaled_stays_as_it_is() -> None:
    values = tf.zeros([3, 1])
    assert NumericFeature(kind="numeric", normalize="none").transform(values, "x") is values


@pytest.mark.parametrize("is_sequence", [True, False])
def test_the_column_takes_the_width(is_sequence: bool) -> None:
    column = WIDE.column("x", None, is_sequence)
    assert (column.key, column.shape) == ("x", (2,))
