"""``gate.slices`` in a config: every fault at once, each with its path."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.gate_config import SliceConfig
from pipelines.config import dump_config, parse_config

BASE = """
name: demo
data: {train: rows.jsonl}
features:
  sequence: {x: {kind: numeric}}
  context:
    customer: {kind: categorical}
    age: {kind: numeric}
    size: {kind: numeric, width: 2}
    kind of: {kind: id, size: 4}
gate:
  slices:
"""


def faults(*entries: str, base: str = BASE) -> dict[str, str]:
    """By the path below ``gate.slices``."""
    with pytest.raises(ConfigError) as caught:
        parse_config(base + "".join(f"    - {entry}\n" for entry in entries))
    lines = (line.strip().partition(": ") for line in str(caught.value).splitlines()[1:])
    return {path.removeprefix("gate.slices."): fault for path, _, fault in lines}


def test_slices_by_values_ranges_and_expressions_are_read_and_written() -> None:
    text = BASE + (
        "    - {by: customer, bounds: {accuracy: {min: 0.8}}, no_worse_than_champion: true}\n"
        "    - {by: kind of}\n"
        "    - {by: age, quantiles: 4, min_rows: 50}\n"
        "    - {by: length, edges: [50, 100]}\n"
        "    - {where: 'customer == \"A\" and kind_of in [1, 2]', name: some of A}\n"
    )
    config = parse_config(text)
    assert [each.title for each in config.gate.slices] == [
        "customer", "kind of", "age", "length", "some of A",
    ]  # fmt: skip
    assert parse_config(dump_config(config)) == config


def test_what_is_wrong_within_an_entry_is_told_of_all_entries_at_once() -> None:
    found = faults(
        "{}",
        "{by: customer, where: length > 3}",
        "{by: age, quantiles: 3, edges: [1]}",
        "{where: 'length > 3', edges: [1]}",
        "{by: customer, name: mine}",
        "{by: customer, bounds: {acuracy: {min: 0.5}}}",
        "{by: customer, bounds: {accuracy: {min: 90}}}",
    )
    assert found["0"] == found["1"] == "give by or where, one of the two"
    assert found["2.edges"] == "give quantiles or edges, not both"
    assert "need by" in found["3"]
    assert "named after their values" in found["4.name"]
    assert found["5.bounds.acuracy"] == "unknown key; did you mean 'accuracy'?"
    assert "90 % is 0.9" in found["6.bounds.accuracy.min"]
    assert len(found) == 7


def test_what_is_wrong_with_these_rows_is_told_of_all_entries_at_once() -> None:
    found = faults(
        "{by: customr}",
        "{by: size, quantiles: 2}",
        "{by: time, quantiles: 2}",
        "{by: age}",
        "{by: customer, quantiles: 3}",
        "{by: length, edges: [0, 100]}",
        "{by: age, edges: [3, 2]}",
        "{by: age, edges: [2026-01-01]}",
        "{where: 'customr == 3 and customer == 3'}",
        "{where: 'length > 300000'}",
        "{by: customer, bounds: {edit_score: {min: 0.5}}}",
        "{where: 'length >'}",
        "{where: 'exec(1)'}",
    )
    known = "known are customer, age, kind of, kind_of, length, and time where data.split.time"
    assert known in found["0.by"]
    assert "'size' is no single value" in found["1.by"]
    assert "'time' is no single value" in found["2.by"]
    assert "too many values" in found["3.by"]
    assert "has no order" in found["4.by"]
    assert "no row can be beyond 0, as length is 1 to 100000" in found["5.edges"]
    assert "numbers that rise" in found["6.edges"]
    assert "age is a number: expected numbers" in found["7.edges"]
    assert "'customr' is no single value" in found["8.where"]
    assert "customer is a text, and 3 is none" in found["8.where"]
    assert "no row can be in this slice" in found["9.where"]
    assert "it is not measured where the rows have" in found["10.bounds.edit_score"]
    assert found["11.where"].startswith("does not parse")
    assert "is no comparison" in found["12.where"]
    assert len(found) == 13


def test_one_slicing_twice_is_a_fault() -> None:
    found = faults("{by: customer}", "{by: age, quantiles: 2}", "{by: customer, min_rows: 3}")
    assert list(found) == ["0", "2"]
    assert "sliced in this way twice" in found["2"]


def test_a_feature_that_is_called_as_what_every_row_has_needs_another_key() -> None:
    base = BASE.replace("    age:", "    length: {kind: numeric}\n    age:")
    assert "give that another key" in faults("{by: length, quantiles: 2}", base=base)["0"]
    renamed = base.replace("length: {kind: numeric}", "span: {kind: numeric, name_in_rows: length}")
    config = parse_config(
        renamed + "    - {by: span, quantiles: 2}\n    - {by: length, edges: [9]}\n"
    )
    assert len(config.gate.slices) == 2


def test_times_are_read_where_the_rows_have_one() -> None:
    base = BASE.replace("{train: rows.jsonl}", "{train: rows.jsonl, split: {time: when}}")
    edges = "{by: time, edges: [2026-01-31, '2026-02-01T12:00']}"
    config = parse_config(base + f"    - {edges}\n    - {{where: time < '2026-01-31'}}\n")
    assert config.gate.slices[0].edges == ("2026-01-31", "2026-02-01T12:00")
    assert "expected ISO 8601" in faults("{by: time, edges: [soon]}", base=base)["0.edges"]


def test_more_slices_than_a_person_reads_are_refused() -> None:
    (fault,) = faults(*(f"{{where: length > {number}}}" for number in range(51))).values()
    assert fault.startswith("expected at most 50 entries")


def test_a_slice_needs_no_rules() -> None:
    entry = SliceConfig(by="customer")
    assert (entry.bounds, entry.no_worse_than_champion) == ({}, False)
