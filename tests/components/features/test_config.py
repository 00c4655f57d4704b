"""The features of a row: which kinds there are, and which names and places they may have."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from components.features.config import KINDS, FeaturesConfig
from components.features.ids import IdFeature
from components.features.kind import FeatureKind
from components.features.numeric import NumericFeature

NUMBER: dict[str, Any] = {"kind": "numeric"}
ADAPTER = TypeAdapter(FeaturesConfig)


def refusal(sequence: dict[str, Any], context: dict[str, Any] | None = None) -> str:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python({"sequence": sequence, "context": context or {}})
    return str(caught.value)


def test_the_table_holds_every_kind() -> None:
    assert set(KINDS) == set(FeatureKind.__subclasses__())


def test_the_kind_is_chosen_by_its_name() -> None:
    features = ADAPTER.validate_python(
        {"sequence": {"x": NUMBER}, "context": {"shop": {"kind": "id", "size": 3}}}
    )
    number, shop = NumericFeature(kind="numeric"), IdFeature(kind="id", size=3)
    assert features == FeaturesConfig({"x": number}, {"shop": shop})
    assert features.by_name == {"x": number, "shop": shop}


def test_settings_survive_json() -> None:
    features = FeaturesConfig({"x": NumericFeature(kind="numeric", width=2)})
    assert ADAPTER.validate_json(ADAPTER.dump_json(features)) == features


def test_unknown_kinds_and_keys_are_refused() -> None:
    assert "'numeric', 'token', 'categorical', 'id'" in refusal({"x": {"kind": "image"}})
    assert "size" in refusal({"x": {**NUMBER, "size": 3}})


@pytest.mark.parametrize(
    ("sequence", "context", "reason"),
    [
        ({}, {}, "at least 1 item"),
        ({"a b": NUMBER}, {}, "'a b' cannot name a tensor"),
        ({"label": NUMBER}, {}, "'label' is taken by rnnflow"),
        ({"x.1": NUMBER, "x_1": NUMBER}, {}, "would both be called 'x_1'"),
        ({"x": NUMBER}, {"x": NUMBER}, "would both be called 'x'"),
        ({"x": {"kind": "categorical"}}, {}, "sequence.x: strings in a sequence are of kind 'tok"),
        ({"x": NUMBER}, {"c": {"kind": "token"}}, "context.c: a string of the context is of kind"),
    ],
)
def test_names_and_places_that_cannot_be_are_refused(
    sequence: dict[str, Any], context: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(sequence, context)
