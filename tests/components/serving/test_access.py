"""Who may ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import UserError
from components.serving.access import (
    TOKEN_VARIABLE,
    check_access,
    is_authorized,
    is_loopback,
    is_own_name,
    read_token,
)

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_told_from_addresses_that_others_reach(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_beyond_loopback_a_token_is_demanded() -> None:
    check_access("127.0.0.1", None)
    check_access("0.0.0.0", TOKEN)
    with pytest.raises(UserError, match=rf"--host 0\.0\.0\.0 .*{TOKEN_VARIABLE} .*--token-file"):
        check_access("0.0.0.0", None)
    with pytest.raises(UserError, match="--host no such host: expected an address"):
        check_access("no such host", None)


def test_a_token_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert read_token(None) is None
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert read_token(None) == TOKEN
    file = tmp_path / "token"
    file.write_text("a token of the file\n")
    assert read_token(file) == "a token of the file"
    with pytest.raises(UserError, match=r"--token-file .*none: cannot be read"):
        read_token(tmp_path / "none")


@pytest.mark.parametrize(
    "token", ["", "short", "fünfzehn Zeichen und mehr", "two lines\nof a token"]
)
def test_a_token_that_is_no_token_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    with pytest.raises(
        UserError, match=rf"16 or more printable ASCII characters in {TOKEN_VARIABLE}"
    ):
        read_token(None)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN}", True),
        (f"Basic {TOKEN}", False),
        (f"Bearer {TOKEN}x", False),
        (TOKEN, False),
        ("Bearer", False),
        ("", False),
    ],
)
def test_only_the_very_token_is_let_in(header: str, expected: bool) -> None:
    assert is_authorized(header.encode(), TOKEN) is expected
    assert not is_authorized(None, TOKEN)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("localhost:8080", True),
        ("LOCALHOST", True),
        ("127.0.0.1:1", True),
        ("127.1.2.3", True),
        ("[::1]:8080", True),
        ("[::1]", True),
        ("example.com:8080", False),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_a_name_that_leads_here_by_chance_is_not_its_own(header: str, expected: bool) -> None:
    assert is_own_name(header.encode()) is expected
