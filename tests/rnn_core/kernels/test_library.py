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
    library._library.cache_clear()
    library._nothing.cache_clear()
    yield
    library._library.cache_clear()
    library._nothing.cache_clear()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "rnn_core"]


def test_what_is_built_is_loaded_without_a_word(
    native: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "rnn_core")
    assert hasattr(library.operations("layers"), "rnn_core_layer")
    assert not lines(caplog)


def test_what_is_switched_off_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RNN_CORE_KERNELS", "off")
    caplog.set_level(logging.INFO, "rnn_core")
    assert library.operations("layers") is None
    assert library.operations("layers") is None
    (line,) = lines(caplog)
    assert line == "Recurrent layers run on stock TensorFlow operations: RNN_CORE_KERNELS=off"


@pytest.mark.parametrize("content", [None, b"", b"not a library"])
def test_what_is_missing_or_broken_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    content: bytes | None,
) -> None:
    (tmp_path / "source.cc").write_text("// another source")
    monkeypatch.setattr(library, "DIRECTORY", tmp_path)
    monkeypatch.setenv("RNN_CORE_KERNELS", "on")
    caplog.set_level(logging.INFO, "rnn_core")
    if content is not None:
        library.library_path().write_bytes(content)
    assert library.operations("layers") is None
    assert library.operations("layers") is None
    (line,) = lines(caplog)
    assert str(library.library_path()) in line


def test_the_library_of_another_source_is_another_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(library, "DIRECTORY", tmp_path)
    names = set()
    for text in ("// one", "// two"):
        (tmp_path / "source.cc").write_text(text)
        names.add(library.library_path())
    assert len(names) == 2
    assert {name.parent for name in names} == {tmp_path}


def test_one_part_may_be_switched_on_alone(
    native: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RNN_CORE_KERNELS", "exchange")
    caplog.set_level(logging.INFO, "rnn_core")
    assert library.operations("exchange") is not None
    assert library.operations("layers") is None
    monkeypatch.setenv("RNN_CORE_KERNELS", "layers")
    assert library.operations("exchange") is None
    assert lines(caplog) == [
        "Recurrent layers run on stock TensorFlow operations: RNN_CORE_KERNELS=exchange",
        "Workers add up their gradients in Python: RNN_CORE_KERNELS=layers",
    ]


def test_another_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN_CORE_KERNELS", "no")
    with pytest.raises(ArgumentError, match="expected 'on', 'off', 'layers'"):
        library.operations("layers")


def test_a_header_belongs_to_the_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "source.cc").write_text("// one")
    monkeypatch.setattr(library, "DIRECTORY", tmp_path)
    before = library.library_path()
    (tmp_path / "source.h").write_text("// two")
    assert library.library_path() != before
