"""The features of a row: which kinds there are, and which names and places they may have."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from components.export.saved_model import argument_name
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
    kinds = "'numeric', 'bucketized', 'token', 'categorical', 'hashed', 'id'"
    assert kinds in refusal({"x": {"kind": "image"}})
    assert "size" in refusal({"x": {**NUMBER, "size": 3}})


@pytest.mark.parametrize(
    ("sequence", "context", "reason"),
    [
        ({}, {}, "at least 1 item"),
        ({"label": NUMBER}, {}, "'label' cannot be the name of a feature: every row has a field"),
        ({"x": {**NUMBER, "name_in_rows": "id"}}, {}, "sequence.x: 'id' cannot be the name"),
        ({"a\tb": NUMBER}, {}, "holds a control character"),
        ({"": NUMBER}, {}, "it is empty"),
        ({"x": NUMBER}, {"x": NUMBER}, "context.x: sequence.x reads 'x' too"),
        ({"x": NUMBER, "y": {**NUMBER, "name_in_rows": "x"}}, {}, "sequence.x reads 'x' too"),
        ({"x": {"kind": "categorical"}}, {}, "sequence.x: strings in a sequence are of kind 'tok"),
        ({"x": NUMBER}, {"c": {"kind": "token"}}, "context.c: a string of the context is of kind"),
    ],
)
def test_names_and_places_that_cannot_be_are_refused(
    sequence: dict[str, Any], context: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(sequence, context)


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("Größe in cm", "Grosse_in_cm"),
        ("Alter (Jahre)", "Alter_Jahre"),
        ("año/mes", "ano_mes"),
        ("_x", "x"),
        ("心率", "feature"),
        ("lengths", "lengths_2"),
        ("x" * 300, "x" * 90),
    ],
)
def test_a_name_that_tensorflow_cannot_take_gets_an_alias(name: str, alias: str) -> None:
    features = FeaturesConfig({name: NumericFeature(kind="numeric")})
    assert features.sequence == {alias: NumericFeature(kind="numeric", name_in_rows=name)}
    assert features.sequence[alias].in_rows(alias) == name
    # As a run stores it, and reads it again.
    assert ADAPTER.validate_json(ADAPTER.dump_json(features)) == features


@pytest.mark.parametrize("name", ["x", "word-1.a", "1st", "Age"])
def test_a_name_that_tensorflow_takes_stays(name: str) -> None:
    features = FeaturesConfig({name: NumericFeature(kind="numeric")})
    assert features.sequence == {name: NumericFeature(kind="numeric")}


def test_names_that_would_be_one_in_tensorflow_get_distinct_aliases_in_any_order() -> None:
    names = [
        "x.1",
        "x_1",
        "Größe",
        "Grösse",
        "größe",
        "心率",
        "脉搏",
        "1st",
        "arg_1st",
        "AGE",
        "age",
    ]
    number = NumericFeature(kind="numeric")
    features = FeaturesConfig(dict.fromkeys(names, number))
    keys = list(features.by_name)
    assert [features.by_name[key].in_rows(key) for key in keys] == names
    assert len({argument_name(key).lower() for key in keys}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", key) for key in keys)
    other_way = FeaturesConfig(dict.fromkeys(reversed(names), number))
    assert other_way == features
    # Names that can stay are theirs, whatever the others are called.
    assert {"x.1", "1st", "AGE"} <= set(keys)
