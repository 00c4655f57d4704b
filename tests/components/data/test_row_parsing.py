"""A line becomes a typed row, or a reason that says where it is wrong."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from components.data.row_parsing import InvalidRow, Row, RowFormat
from components.data.row_parsing import parse_row as parse_values
from components.data.sources.jsonl import decode_line
from components.data.sources.source import Record
from components.features.config import FeaturesConfig
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature
from tests.components.conftest import MIXED, mixed_row

PLAIN = FeaturesConfig({"x": NumericFeature(kind="numeric")})
WIDE = FeaturesConfig({"x": NumericFeature(kind="numeric", width=2)})
TOKENS = FeaturesConfig({"x": VocabularyFeature(kind="token")})
IDS = FeaturesConfig({"x": IdFeature(kind="id", size=5)})

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def line(**changes: Any) -> bytes:
    row: dict[str, Any] = {"id": "a", "label": "b", "sequence": {"x": [1]}}
    row.update(changes)
    return json.dumps({key: value for key, value in row.items() if value is not ...}).encode()


def steps(*values: Any) -> bytes:
    return line(sequence={"x": list(values)})


def parse_row(text: bytes, features: FeaturesConfig, **options: Any) -> Row | InvalidRow:
    return Record(1, text, decode_line(text)).parse(RowFormat.of(features, 1000, **options))


def good(text: bytes, features: FeaturesConfig = PLAIN, **options: Any) -> Row:
    row = parse_row(text, features, **options)
    assert isinstance(row, Row), row
    return row


def bad(text: bytes, features: FeaturesConfig = PLAIN) -> InvalidRow:
    row = parse_row(text, features)
    assert isinstance(row, InvalidRow), row
    return row


def test_a_feature_has_its_own_name_in_messages_and_counts_and_its_key_among_the_values() -> None:
    own = "Größe in cm"
    features = FeaturesConfig({own: NumericFeature(kind="numeric", missing=0.0)})
    row = good(line(sequence={own: [1, None]}), features)
    assert list(row.values) == ["Grosse_in_cm"]
    assert row.filled == {own: 1}
    assert bad(line(sequence={}), features).reason == f"{own} is missing"
    assert bad(line(sequence={own: ["1"]}), features).reason.startswith(f"{own} holds")
    form = RowFormat.of(features, 1000)
    assert RowFormat.from_json(json.loads(json.dumps(form.as_json()))) == form


@given(st.integers())
def test_every_kind_of_feature_keeps_its_values(number: int) -> None:
    source = mixed_row(number)
    row = good(json.dumps(source).encode(), MIXED)
    sequence, context = source["sequence"], source["context"]
    assert (row.id, row.labels) == (source["id"], (source["label"],))
    assert row.steps == len(sequence["pulse"])
    np.testing.assert_array_equal(row.values["motion"], np.float32(sequence["motion"]))
    pulse = row.values["pulse"]
    assert isinstance(pulse, np.ndarray)
    np.testing.assert_array_equal(pulse[:, 0], np.float32(sequence["pulse"]))
    np.testing.assert_array_equal(row.values["event"], sequence["event"])
    assert row.values["word-1.a"] == [word.encode() for word in sequence["word-1.a"]]
    np.testing.assert_array_equal(row.values["size"], np.array([context["size"]], np.float32))
    np.testing.assert_array_equal(row.values["age"], np.array([[context["age"]]], np.float32))
    np.testing.assert_array_equal(row.values["Laden"], [context["Läden"]])
    assert row.values["colour"] == [context["colour"].encode()]
    assert set(row.values) == {*MIXED.sequence, *MIXED.context}


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(2)), elements=FLOATS))
def test_numbers_arrive_as_the_float32_that_was_written(values: np.ndarray) -> None:
    row = good(steps(*values.tolist()), WIDE)
    np.testing.assert_array_equal(row.values["x"], values)


@given(st.binary(max_size=60))
def test_no_line_whatsoever_raises(text: bytes) -> None:
    assert isinstance(parse_row(text, PLAIN), (Row, InvalidRow))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(JSON, st.sampled_from([PLAIN, WIDE, TOKENS, IDS]))
def test_no_value_whatsoever_raises_and_what_is_taken_is_finite(
    value: Any, features: FeaturesConfig
) -> None:
    row = parse_row(line(sequence={"x": value}), features)
    if isinstance(row, Row) and features in (PLAIN, WIDE):
        assert np.isfinite(row.values["x"]).all()


def test_whole_numbers_are_taken_for_the_id_and_the_label() -> None:
    row = good(line(id=17, label=-3))
    assert (row.id, row.labels) == ("17", ("-3",))


def test_a_row_without_a_label_or_id_is_bad_for_training_and_good_for_prediction() -> None:
    for missing in (line(label=None), line(label=...), line(label="")):
        assert bad(missing) == InvalidRow("'label' is missing", missing="label")
        assert good(missing, needs_key=False).labels is None
    for missing in (line(id=None), line(id=...), line(id="")):
        assert bad(missing) == InvalidRow("'id' is missing", missing="id")
        assert good(missing, needs_key=False).id == ""


def test_a_row_has_as_many_steps_as_the_limit_and_no_more() -> None:
    assert good(steps(*range(1000))).steps == 1000
    assert bad(steps(*range(1001))) == InvalidRow(
        "x has more steps than max_row_steps = 1,000 allows", "it has 1,001"
    )


FILLED = FeaturesConfig({"x": NumericFeature(kind="numeric", missing="previous")})
FILLED_WIDE = FeaturesConfig({"x": NumericFeature(kind="numeric", width=2, missing="previous")})


@pytest.mark.parametrize(
    ("features", "found", "expected", "count"),
    [
        (FILLED, [1, None, None, 4], [[1], [1], [1], [4]], 2),
        (FILLED, [None, None, 3], [[3], [3], [3]], 2),
        (FILLED, [[1], None, [None]], [[1], [1], [1]], 2),
        (FILLED_WIDE, [[1, None], None, [None, 4]], [[1, 4], [1, 4], [1, 4]], 4),
    ],
)
def test_a_missing_number_takes_the_one_before_it_where_the_config_says_so(
    features: FeaturesConfig, found: list[Any], expected: list[list[int]], count: int
) -> None:
    row = good(steps(*found), features)
    np.testing.assert_array_equal(row.values["x"], expected)
    assert row.filled == {"x": count}


def test_a_sequence_without_any_number_is_not_filled() -> None:
    assert bad(steps(None, None), FILLED).reason == "x holds nothing but null"
    wide = bad(steps([1, None], [2, None]), FILLED_WIDE).reason
    assert wide == "x holds nothing but null: as number 1 of each step"
    assert good(steps(1, 2), FILLED).filled == {}


def in_context(feature: Any, **context: Any) -> tuple[bytes, FeaturesConfig]:
    features = FeaturesConfig({"x": NumericFeature(kind="numeric")}, {"c": feature})
    return line(context=context), features


@pytest.mark.parametrize(
    ("feature", "given"),
    [
        (NumericFeature(kind="numeric", missing=4), 4),
        (NumericFeature(kind="numeric", missing=4, width=2), [4, 4]),
        (VocabularyFeature(kind="categorical", missing="none"), "none"),
        (IdFeature(kind="id", size=9, missing=0), 0),
    ],
)
def test_what_the_context_lacks_is_read_as_if_the_row_had_the_value_of_the_config(
    feature: Any, given: Any
) -> None:
    row, features = in_context(feature, c=given)
    there = good(row, features)
    assert there.filled == {}
    for missing in (in_context(feature)[0], in_context(feature, c=None)[0], line(context=...)):
        found = good(missing, features)
        np.testing.assert_array_equal(found.values["c"], there.values["c"])
        assert found.filled == {"c": 1}


@pytest.mark.parametrize(
    ("feature", "found", "given"),
    [
        (NumericFeature(kind="numeric", missing=4), [1, None], [1, 4]),
        (NumericFeature(kind="numeric", missing=4, width=2), [[1, None], None], [[1, 4], [4, 4]]),
        (VocabularyFeature(kind="token", missing="none"), [None, "a"], ["none", "a"]),
        (IdFeature(kind="id", size=9, missing=0), [None, None], [0, 0]),
    ],
)
def test_a_null_in_a_sequence_is_read_as_if_the_step_had_the_value_of_the_config(
    feature: Any, found: list[Any], given: list[Any]
) -> None:
    features = FeaturesConfig({"x": feature})
    row = good(steps(*found), features)
    np.testing.assert_array_equal(row.values["x"], good(steps(*given), features).values["x"])
    assert row.filled["x"] == str(found).count("None") + (feature.raw.is_list and None in found)
    assert bad(line(sequence={}), features).reason == "x is missing"


EPOCH = [1.7e9, 1.7e9 + 0.5, 1.7e9 + 3]


@pytest.mark.parametrize(
    ("subtract", "expected", "merged"),
    [
        (0.0, [[1.7e9]] * 3, {"x": 2}),
        (1.7e9, [[0], [0.5], [3]], {}),
        ("first", [[0], [0.5], [3]], {}),
        ("previous", [[0], [0.5], [2.5]], {}),
    ],
)
def test_what_is_subtracted_before_the_rounding_keeps_the_differences(
    subtract: Any, expected: list[list[float]], merged: dict[str, int]
) -> None:
    features = FeaturesConfig({"x": NumericFeature(kind="numeric", subtract=subtract)})
    row = good(steps(*EPOCH), features)
    np.testing.assert_array_equal(row.values["x"], np.array(expected, np.float32))
    assert row.merged == merged


def test_each_number_of_a_vector_has_a_difference_of_its_own() -> None:
    features = FeaturesConfig({"x": NumericFeature(kind="numeric", width=2, subtract="previous")})
    row = good(steps([1, 10], [2, 30], [4, 60]), features)
    np.testing.assert_array_equal(row.values["x"], [[0, 0], [1, 20], [2, 30]])


def test_numbers_that_do_not_differ_before_are_not_merged() -> None:
    assert good(steps(1.7e9, 1.7e9, 5), PLAIN).merged == {}


def test_ids_and_labels_of_more_than_64_bits_keep_their_digits() -> None:
    row = good(line(id=2**70 + 1, label=-(2**65) - 1))
    assert (row.id, row.labels) == (str(2**70 + 1), (str(-(2**65) - 1),))


def test_a_boolean_label_is_called_as_in_json() -> None:
    assert [good(line(label=value)).labels for value in (True, False)] == [("true",), ("false",)]


def test_the_format_is_the_same_after_json() -> None:
    form = RowFormat.of(MIXED, 7, needs_key=False)
    assert RowFormat.from_json(json.loads(json.dumps(form.as_json()))) == form


@pytest.mark.parametrize(
    ("value", "features", "reason"),
    [
        (10**400, PLAIN, "x holds a number that float32 cannot hold: 1.79769e+308 at step 0"),
        (float("nan"), PLAIN, "x holds a number that float32 cannot hold: nan at step 0"),
        ("\ud800", TOKENS, r"x holds half of a character: '\ud800' at step 0"),
    ],
)
def test_what_only_a_served_row_can_hold_is_refused_too(
    value: Any, features: FeaturesConfig, reason: str
) -> None:
    row = {"id": "a", "label": "b", "sequence": {"x": [value]}}
    found = parse_values(row, RowFormat.of(features, 10))
    assert isinstance(found, InvalidRow)
    assert found.reason == reason


def test_a_feature_that_the_config_does_not_name_is_ignored() -> None:
    row = good(line(sequence={"x": [1], "y": [1, 2, 3]}, context={"z": {}}, more=1))
    assert list(row.values) == ["x"]


def test_numbers_of_width_one_may_stand_in_lists_of_their_own() -> None:
    np.testing.assert_array_equal(good(steps([1], [2])).values["x"], [[1], [2]])


def test_a_context_number_may_stand_alone_or_in_a_list() -> None:
    features = FeaturesConfig(PLAIN.sequence, {"c": NumericFeature(kind="numeric")})
    for value in (4, [4]):
        np.testing.assert_array_equal(good(line(context={"c": value}), features).values["c"], [[4]])


def test_whole_numbers_beyond_64_bits_are_numbers_but_no_ids() -> None:
    values = good(steps(2**70)).values["x"]
    assert isinstance(values, np.ndarray)
    assert values[0, 0] == np.float32(2.0**70)
    assert "not a whole number" in bad(steps(2**70), IDS).reason
    assert "an id out of [0, 5)" in bad(steps(2**63), IDS).reason


@pytest.mark.parametrize(
    ("text", "features", "reason"),
    [
        (b'{"id": "a",', PLAIN, "invalid JSON: .* at column 12"),
        (b'{"id": "\xff"}', PLAIN, "invalid UTF-8"),
        (b'{"id": "a", "sequence": {"x": [NaN]}}', PLAIN, "NaN or Infinity, which JSON does not"),
        (b'{"id": "a", "sequence": {"x": [-Infinity]}}', PLAIN, "NaN or Infinity"),
        (b'{"id": "a", "sequence": {"x": [1e999]}}', PLAIN, "invalid JSON: number is infinity"),
        (b'{"id": "\\ud800"}', PLAIN, "invalid JSON"),
        (b"[" * 100_000, PLAIN, "invalid JSON"),
        (b"[1, 2]", PLAIN, "not a JSON object: it is a list"),
        (line(id=None), PLAIN, "'id' is missing"),
        (line(id=True), PLAIN, "'id' is not a string: it is a boolean"),
        (line(label=1.5), PLAIN, "'label' is neither .*: it is a number"),
        (line(label=[1]), PLAIN, "'label' is neither .*: it is a list"),
        (line(sequence=...), PLAIN, "'sequence' is not an object: it is null"),
        (line(sequence=[1]), PLAIN, "'sequence' is not an object: it is a list"),
        (line(context=[1]), PLAIN, "'context' is not an object: it is a list"),
        (line(sequence={"y": [1]}), PLAIN, "x is missing"),
        (line(sequence={"x": None}), PLAIN, "x is missing"),
        (line(sequence={"x": 4}), PLAIN, "x is not a list: it is a whole number"),
        (steps(), PLAIN, "x is empty"),
        (steps(1, "2"), PLAIN, "not a number: a string at step 1"),
        (steps(1, True), PLAIN, "not a number: a boolean at step 1"),
        (steps(1, None), PLAIN, "not a number: null at step 1"),
        (steps(1, [2]), PLAIN, "a step that is not a list: a whole number at step 0"),
        (steps([1, 2], [3]), WIDE, "wrong width: 1 instead of 2 at step 1"),
        (steps([1], [2, 3], [4, 5, 6]), WIDE, "wrong width: 1 instead of 2 at step 0"),
        (steps([1, 2], [3], [4, 5, 6]), WIDE, "wrong width: 1 instead of 2 at step 1"),
        (steps([1, 2], [3, None]), WIDE, "not a number: null, number 1, at step 1"),
        (steps([1, 2], [3, [4]]), WIDE, "not a number: a list, number 1, at step 1"),
        (steps(1, 2), WIDE, "a step that is not a list: a whole number at step 0"),
        (steps([1, 2], [3, 1e39]), WIDE, r"float32 cannot hold: 1e\+39 at step 1"),
        (steps("a", 1), TOKENS, "not a string: a whole number at step 1"),
        (steps("a", None), TOKENS, "not a string: null at step 1"),
        (steps(0, 5), IDS, r"holds an id out of \[0, 5\): 5 at step 1"),
        (steps(-1), IDS, r"holds an id out of \[0, 5\): -1 at step 0"),
        (steps(0, 1.0), IDS, "not a whole number: a number at step 1"),
        (steps(True), IDS, "not a whole number: a boolean at step 0"),
    ],
)
def test_an_invalid_line_says_what_is_wrong_and_where(
    text: bytes, features: FeaturesConfig, reason: str
) -> None:

    assert re.search(reason, bad(text, features).reason)


@pytest.mark.parametrize(
    ("value", "feature", "reason"),
    [
        ([1, 2], NumericFeature(kind="numeric"), "wrong width: 2 instead of 1"),
        (1, NumericFeature(kind="numeric", width=2), "wrong width: 1 instead of 2"),
        ("1", NumericFeature(kind="numeric"), "c holds something that is not a number: a string"),
        ([[1], [2]], NumericFeature(kind="numeric", width=2), "not a number: a list"),
        (["a"], VocabularyFeature(kind="categorical"), "c is a list"),
        (1, VocabularyFeature(kind="categorical"), "not a string: a whole number"),
        (9, IdFeature(kind="id", size=9), "c holds an id out of [0, 9): 9"),
        (None, IdFeature(kind="id", size=9), "c is missing"),
    ],
)
def test_an_invalid_context_value_says_what_is_wrong(value: Any, feature: Any, reason: str) -> None:
    features = FeaturesConfig(PLAIN.sequence, {"c": feature})
    found = bad(line(context={"c": value}), features).reason
    assert reason in found
    assert "step" not in found


def test_sequences_of_different_lengths_are_named() -> None:
    features = FeaturesConfig({"x": PLAIN.sequence["x"], "y": TOKENS.sequence["x"]})
    row = bad(line(sequence={"x": [1, 2], "y": ["a"]}), features)
    assert row.reason == "the sequences have different lengths: x has 2 steps, y has 1 steps"


def test_rows_with_one_fault_share_the_cause_but_not_the_reason() -> None:
    first, second = bad(steps([1]), WIDE), bad(steps([1, 2], [1, 2, 3]), WIDE)
    assert first.cause == second.cause
    assert first.reason != second.reason


def test_a_missing_feature_is_named_for_the_count_of_missing_values() -> None:
    assert bad(line(sequence={"x": None})).missing == "x"
    assert bad(steps()).missing is None
    assert bad(steps(1, None)).missing == "x"
    assert bad(steps("a", None), TOKENS).missing == "x"
    assert bad(steps(1, "a")).missing is None


def of_steps(label: Any, count: int = 3, *, needs_key: bool = True) -> Row | InvalidRow:
    """A row of so many steps with this label, where each step has one."""
    text = line(label=label, sequence={"x": list(range(count))})
    return parse_row(text, PLAIN, label="per_step", needs_key=needs_key)


def test_where_each_step_has_a_label_the_label_is_a_list_of_them() -> None:
    row = of_steps(["a", 7, True])
    assert isinstance(row, Row)
    assert row.labels == ("a", "7", "true")


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("a", "'label' is not a list: it is a string, and each step has a label"),
        (["a", "b"], "'label' has another length than the sequences: 2 labels and 3 steps"),
        ([], "'label' has another length than the sequences: 0 labels and 3 steps"),
        (["a", None, "b"], "'label' is missing at a step: at step 1"),
        (["a", "b", ""], "'label' is missing at a step: at step 2"),
        (
            ["a", ["b"], "c"],
            "'label' holds something that is neither a string nor a whole number: a list at step 1",
        ),
        (None, "'label' is missing"),
    ],
)
def test_a_list_of_labels_that_does_not_fit_the_steps_is_refused(label: Any, reason: str) -> None:
    row = of_steps(label)
    assert isinstance(row, InvalidRow)
    assert row.reason == reason
    assert (row.missing == "label") == ("missing" in reason)


def test_a_list_is_no_label_of_a_row_and_a_row_to_be_answered_needs_none() -> None:
    assert bad(line(label=["a"])).cause == "'label' is neither a string nor a whole number"
    row = of_steps(None, needs_key=False)
    assert isinstance(row, Row)
    assert row.labels is None


def test_what_has_a_label_is_part_of_the_format_as_json() -> None:
    form = RowFormat.of(PLAIN, 10, "per_step")
    assert RowFormat.from_json(json.loads(json.dumps(form.as_json()))) == form
    # Models of releases before it have one label a row.
    older = {key: value for key, value in form.as_json().items() if key != "label"}
    assert RowFormat.from_json(older).label == "per_row"


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from(["head", "tail", "middle"]))
def test_of_a_long_row_the_steps_are_kept_that_the_config_says(
    steps: int, limit: int, which: Literal["head", "tail", "middle"]
) -> None:
    features = FeaturesConfig(
        {"x": NumericFeature(kind="numeric"), "w": VocabularyFeature(kind="token")},
        {"age": NumericFeature(kind="numeric")},
    )
    values = {
        "id": "a",
        "label": [f"l{step}" for step in range(steps)],
        "context": {"age": 7},
        "sequence": {"x": list(range(steps)), "w": [f"w{step}" for step in range(steps)]},
    }
    row = parse_values(values, RowFormat.of(features, limit, "per_step", truncate=which))
    assert isinstance(row, Row)
    more = max(0, steps - limit)
    begin = {"head": 0, "tail": more, "middle": more // 2}[which]
    kept = list(range(begin, begin + min(steps, limit)))
    assert row.steps == len(kept)
    assert np.ravel(row.values["x"]).tolist() == kept
    assert row.values["w"] == [b"w%d" % step for step in kept]
    assert row.labels == tuple(f"l{step}" for step in kept)
    assert np.ravel(row.values["age"]).tolist() == [7]


def test_sequences_of_different_lengths_are_refused_also_where_both_would_be_cut() -> None:
    features = FeaturesConfig({name: NumericFeature(kind="numeric") for name in "xy"})
    values = {"id": "a", "label": "l", "sequence": {"x": [1.0] * 20, "y": [1.0] * 30}}
    row = parse_values(values, RowFormat.of(features, 10, truncate="head"))
    assert isinstance(row, InvalidRow)
    assert row.reason.startswith("the sequences have different lengths")
