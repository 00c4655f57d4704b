"""The schema is read back as it was written, and a directory without one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.artifacts.schema import Schema, load_schema, save_schema
from components.errors import NotFoundError
from tests.components.conftest import MIXED


def test_a_schema_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    schema = Schema(MIXED, ("no", "yes", "übrig"), {"word-1.a": 8, "event": 40})
    save_schema(schema, tmp_path)
    assert load_schema(tmp_path) == schema


def test_a_directory_without_a_schema_holds_no_examples(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="holds no examples"):
        load_schema(tmp_path)


def test_a_damaged_schema_is_named(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"features": 3}')
    with pytest.raises(NotFoundError, match=r"schema\.json is not a schema"):
        load_schema(tmp_path)
