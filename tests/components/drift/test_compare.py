"""Equal data raise no alarm, shifted data do, and rows that are in both are told apart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.passes.row_sample import CONTENT, KEY, Aspect
from components.drift.compare import compare, holm, new_rows

VALUE, TOKEN = Aspect("x", "value"), Aspect("e", "token")


def table(values: np.ndarray, tokens: list[str], first: int = 0, complete: bool = True) -> pa.Table:
    keys = [number.to_bytes(32, "big") for number in range(first, first + len(values))]
    found = pa.table(
        {
            KEY: keys,
            CONTENT: [key[-8:] for key in keys],
            VALUE.column: pa.array(values.tolist()),
            TOKEN.column: tokens,
        }
    )
    return found.replace_schema_metadata({"rnnflow.complete": str(complete).lower()})


def drawn(seed: int, rows: int = 400, shift: float = 0.0, first: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 3))
    values[:, 1] += shift
    return table(values, random.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1]).tolist(), first)


def test_of_equal_data_few_comparisons_have_an_alarm() -> None:
    alarms = [
        any(check.is_alarm for check in compare(drawn(2 * n), drawn(2 * n + 1))) for n in range(150)
    ]
    # One in a hundred is promised; with 150 draws six are less likely than one in a thousand.
    assert sum(alarms) < 6


def test_a_shift_of_half_a_deviation_is_found_in_the_number_that_it_is_in() -> None:
    for seed in range(20):
        first, *_ = compare(drawn(seed), drawn(seed + 100, shift=0.5))
        assert (first.name, first.is_alarm) == ("value of x[1]", True)


def test_a_small_difference_is_no_alarm_however_many_rows_there_are() -> None:
    first, *_ = compare(drawn(1, rows=40_000), drawn(2, rows=40_000, shift=0.1))
    assert first.p_value < 1e-9
    assert not first.is_alarm


def test_tokens_that_were_never_seen_are_named() -> None:
    values = np.zeros((200, 1))
    before = table(values, (["a"] * 3 + ["b"] * 2) * 40)
    now = table(values, ["a"] * 60 + ["b"] * 40 + ["new"] * 100, first=500)
    (check,) = [one for one in compare(before, now) if one.what == "token"]
    assert check.is_alarm
    assert check.distance == pytest.approx(0.5)
    assert check.before == "'a' 60%, 'b' 40%"
    assert check.now == "'new' 50%, 'a' 30%, 'b' 20%; 50% unseen before"


def test_tokens_that_are_all_rare_are_no_drift_if_as_many_are_new_as_ever() -> None:
    random = np.random.default_rng(3)
    every = [f"t{n}" for n in range(500)]
    values = np.zeros((400, 1))
    before, now = (table(values, random.choice(every, 400).tolist(), n) for n in (0, 1_000))
    (check,) = [one for one in compare(before, now) if one.what == "token"]
    assert not check.is_alarm


def test_rare_tokens_that_are_all_replaced_are_drift() -> None:
    random = np.random.default_rng(3)
    values = np.zeros((400, 1))
    before = table(values, random.choice([f"t{n}" for n in range(500)], 400).tolist())
    now = table(values, random.choice([f"u{n}" for n in range(500)], 400).tolist(), first=1_000)
    (check,) = [one for one in compare(before, now) if one.what == "token"]
    assert check.is_alarm
    assert check.now.endswith("100% unseen before")


def test_what_only_one_of_them_has_is_not_compared() -> None:
    both = drawn(1)
    assert {check.feature for check in compare(both, both.drop_columns([TOKEN.column]))} == {"x"}


def test_rows_that_the_reference_has_too_are_left_out() -> None:
    reference = drawn(1, rows=300)
    together = pa.concat_tables([reference, drawn(2, rows=7, first=1_000)])
    assert new_rows(reference, together).column(KEY).to_pylist() == [
        number.to_bytes(32, "big") for number in range(1_000, 1_007)
    ]
    assert len(new_rows(reference, reference)) == 0


def test_of_a_part_of_the_data_rows_beyond_its_last_may_have_been_in_it() -> None:
    reference = table(np.zeros((200, 1)), ["a"] * 200, complete=False)
    beyond = table(np.zeros((100, 1)), ["a"] * 100, first=200)
    within = table(np.zeros((100, 1)), ["a"] * 100).set_column(
        1, CONTENT, pa.array([b"changed!"] * 100, pa.binary())
    )
    rows = pa.concat_tables([within, beyond])
    assert new_rows(reference, rows).column(CONTENT).to_pylist() == [b"changed!"] * 100
    assert len(new_rows(reference, rows, all_unknown=True)) == 200


@given(st.lists(st.floats(0, 1), max_size=12))
def test_adjusted_values_are_in_the_order_of_the_values_and_never_smaller(
    p_values: list[float],
) -> None:
    adjusted = holm(p_values)
    assert all(0 <= p <= after <= 1 for p, after in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_holms_procedure_by_hand() -> None:
    # Three values: 3 x 0.01, max(0.03, 2 x 0.04), max(0.08, 1 x 0.03 -> ordered by value).
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
