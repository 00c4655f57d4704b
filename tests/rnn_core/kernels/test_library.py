"""Where the library is, and what is said where there is none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rnn_core import ArgumentError
from rnn_core.kernels import library


@pytest.fixture(autouse=True)
def _not_yet_looked_for() -> Iterator[None]:
    library._operations.cache_clear()
    yield
    library._operations.cache_clear()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "rnn_core"]


def test_what_is_built_is_loaded_without_a_word(
    native: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "rnn_core")
    assert hasattr(library.operations(), "rnn_core_layer")
    assert not lines(caplog)


def test_what_is_switched_off_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RNN_CORE_KERNELS", "off")
    caplog.set_level(logging.INFO, "rnn_core")
    assert library.operations() is None
    assert library.operations() is None
    (line,) = lines(caplog)
    assert line == "Recurrent layers run on stock TensorFlow operations: RNN_CORE_KERNELS=off"


@pytest.mark.parametrize("content", [None, b"", b"not a library"])
def test_what_is_missing_or_broken_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    content: bytes | None,
) -> None:
    source = tmp_path / "recurrence.cc"
    source.write_text("// another source")
    monkeypatch.setattr(library, "SOURCE", source)
    monkeypatch.setenv("RNN_CORE_KERNELS", "on")
    caplog.set_level(logging.INFO, "rnn_core")
    if content is not None:
        library.library_path().write_bytes(content)
    assert library.operations() is None
    assert library.operations() is None
    (line,) = lines(caplog)
    assert str(library.library_path()) in line


def test_the_library_of_another_source_is_another_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "recurrence.cc"
    monkeypatch.setattr(library, "SOURCE", source)
    names = set()
    for text in ("// one", "// two"):
        source.write_text(text)
        names.add(library.library_path())
    assert len(names) == 2
    assert {name.parent for name in names} == {tmp_path}


def test_another_word_than_on_and_off_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN_CORE_KERNELS", "no")
    with pytest.raises(ArgumentError, match="expected 'on' or 'off'"):
        library.operations()


def test_a_header_belongs_to_the_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "recurrence.cc"
    source.write_text("// one")
    monkeypatch.setattr(library, "SOURCE", source)
    before = library.library_path()
    (tmp_path / "recurrence.h").write_text("// two")
    assert library.library_path() != before
