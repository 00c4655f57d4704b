"""Building the library, with a compiler, without one, and with one that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnn_core.kernels import __main__, build, library


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A source that is built in no time."""
    source = tmp_path / "source.cc"
    source.write_text("int one() { return 1; }")
    monkeypatch.setattr(library, "DIRECTORY", tmp_path)
    return source


def test_a_library_is_built_once_and_replaces_those_of_other_sources(
    built: None, source: Path
) -> None:
    first = build.build()
    made = first.stat().st_mtime_ns
    assert build.build() == first
    assert first.stat().st_mtime_ns == made
    source.write_text("int two() { return 2; }")
    second = build.build()
    assert sorted(source.parent.iterdir()) == sorted([source, second])


def test_without_a_compiler_the_command_says_so_and_succeeds(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    __main__.main()
    assert "found no C++ compiler. Install g++" in capsys.readouterr().err


def test_a_compiler_that_is_no_program_is_named(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "g++"
    compiler.write_bytes(b"\0no program")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(build.BuildError, match="Exec format error"):
        build.build()
    assert sorted(tmp_path.iterdir()) == sorted([source, compiler])


def test_a_source_with_an_error_shows_what_the_compiler_says(built: None, source: Path) -> None:
    source.write_text("int one() { return }")
    with pytest.raises(build.BuildError, match="expected primary-expression"):
        build.build()
    assert list(source.parent.iterdir()) == [source]
