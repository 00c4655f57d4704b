"""What passes between stages can be stored and found again."""

from __future__ import annotations

from pydantic import TypeAdapter

from components.artifacts.values import Interval


def test_values_between_stages_survive_json() -> None:
    adapter = TypeAdapter(Interval)
    value = Interval(0.1 + 0.2, 0.0, 1.0)
    assert adapter.validate_json(adapter.dump_json(value)) == value
