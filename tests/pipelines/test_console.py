"""One line a stage; a terminal also shows what the stage does now."""

from __future__ import annotations

import logging
from io import StringIO

import pytest
from prefect import flow
from rich.console import Console
from rich.table import Table

from pipelines.console import PrintableConsole, StageLine, make_console, printable


def _print_stage(console: Console, reused: bool = False, summary: str = "640 rows") -> str:
    with StageLine(console, "examples") as line:
        line.update("step 10 of 600")
        line.finish(summary, reused)
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def _log() -> Console:
    return Console(file=StringIO(), soft_wrap=True, highlight=False, width=60)


def _terminal() -> Console:
    return Console(file=StringIO(), force_terminal=True, soft_wrap=True, highlight=False, width=60)


def test_a_log_gets_exactly_one_line_a_stage_and_no_escape_codes() -> None:
    text = _print_stage(_log())
    assert text.count("\n") == 1
    assert text.endswith("640 rows\n")
    assert text.split()[0] == "examples"
    assert "\x1b" not in text
    assert "step 10" not in text


def test_a_terminal_shows_what_the_stage_does_and_then_its_line() -> None:
    console = _terminal()
    with StageLine(console, "model") as line:
        line.update("step 10 of 600")
        line.finish("gru [64]", reused=False)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    spinner, _, rest = text.partition("model: step 10 of 600")
    assert "\x1b" in spinner
    assert rest.count("gru [64]\n") == 1


def test_the_spinner_is_gone_when_a_stage_fails() -> None:
    console = _terminal()
    with pytest.raises(RuntimeError, match="broken"), StageLine(console, "model"):
        raise RuntimeError("broken")
    assert isinstance(console.file, StringIO)
    shows_the_cursor_again = "\x1b[?25h"
    assert shows_the_cursor_again in console.file.getvalue()


def test_a_reused_stage_says_so_in_place_of_its_time() -> None:
    assert " reused " in _print_stage(_log(), reused=True)
    fresh = _print_stage(_log())
    assert "reused" not in fresh
    assert " s " in fresh


def test_a_long_summary_stays_one_line() -> None:
    assert _print_stage(_log(), summary="x" * 500).count("\n") == 1


@pytest.mark.parametrize("console", [_log(), _terminal()], ids=["log", "terminal"])
def test_what_looks_like_markup_is_shown_as_it_is(console: Console) -> None:
    assert "label [bold] [/x]" in _print_stage(console, summary="label [bold] [/x]")


def test_each_stage_is_logged_once(prefect_server: str, caplog: pytest.LogCaptureFixture) -> None:
    @flow(name="logging", persist_result=False)
    def logging_flow() -> None:
        _print_stage(_log(), reused=True)

    with caplog.at_level(logging.INFO, logger="rnnflow"):
        logging_flow()
    messages = [record.getMessage() for record in caplog.records if record.name == "rnnflow"]
    assert messages == ["examples: 640 rows (reused)"]


def test_a_file_has_room_for_a_wide_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert make_console().width == 200
    monkeypatch.setenv("COLUMNS", "120")
    assert make_console().width == 120


def test_messages_may_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    make_console(stderr=True).print("beside the answer")
    make_console().print("the answer")
    assert capsys.readouterr() == ("the answer\n", "beside the answer\n")


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        *(
            (chr(code), f"\\u{code:04x}")
            for code in [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
        ),
        ("\x1b", "\\x1b"),
        ("\x9b", "\\x9b"),
        ("\x7f", "\\x7f"),
        ("\x00", "\\x00"),
        ("\r", "\\r"),
        ("\n", "\\n"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_acts_on_is_escaped(character: str, shown: str) -> None:
    assert printable(f"a{character}b") == f"a{shown}b"
    assert printable(f"a{character}b", keep=character) == f"a{character}b"


@pytest.mark.parametrize("text", ["日本語", "שלום", "é", "👩\u200d🚀", "a\xa0b", "back\\slash"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_lines_and_tables_of_a_console_escape_their_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = Table("name")
    table.add_row("\u202ecell\x1b[31m")
    console = make_console()
    console.print(table)
    console.print("\u2066line\nnext")
    with StageLine(console, "examples") as line:
        line.finish("\u202esummary", reused=False)
    text = capsys.readouterr().out
    assert "\\u202ecell\\x1b[31m" in text
    assert "\\u2066line\nnext\n" in text
    assert "\\u202esummary\n" in text
    assert not {"\u202e", "\u2066", "\x1b"} & set(text)


def test_the_spinner_escapes_its_data_and_still_moves_the_cursor() -> None:
    console = PrintableConsole(file=StringIO(), force_terminal=True, soft_wrap=True, width=60)
    with StageLine(console, "model") as line:
        line.update("\u202estep")
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "\\u202estep" in text
    assert "\u202e" not in text
    assert "\x1b[?25h" in text
