"""What all kinds of labels share: the classes of rare labels, and the stratum of a row."""

from __future__ import annotations

import pytest

from components.labels.per_step import LabelOfStep

KIND = LabelOfStep()


def test_labels_are_their_classes_and_a_row_with_one_that_has_none_is_left_out() -> None:
    assert KIND.known_labels(("a", "b", "a"), {"c": None}) == ("a", "b", "a")
    assert KIND.known_labels(("a", "b", "a"), {"b": "other"}) == ("a", "other", "a")
    assert KIND.known_labels(("a", "b", "a"), {"b": None}) is None


@pytest.mark.parametrize(
    ("labels", "stratum"), [(("b",), "b"), (("a", "b", "b"), "b"), (("b", "a", "c"), "a")]
)
def test_the_stratum_of_a_row_is_its_commonest_label_and_the_first_of_equals(
    labels: tuple[str, ...], stratum: str
) -> None:
    assert KIND.stratum(labels) == stratum
