"""The build gets this machine's pip configuration, whole, and the files that it names."""

from __future__ import annotations

import configparser
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

HandOver: TypeAlias = Callable[..., tuple[dict[str, str], list[str]]]


@pytest.fixture
def hand_over(infra: Path, tmp_path: Path) -> HandOver:
    """Runs the script on lines as ``pip config list`` prints them."""

    def run(*lines: str) -> tuple[dict[str, str], list[str]]:
        target = tmp_path / "pip.conf"
        done = subprocess.run(
            [sys.executable, str(infra / "pip_configuration.py"), str(target)],
            input="\n".join(lines), capture_output=True, text=True, check=True,
        )  # fmt: skip
        parser = configparser.RawConfigParser()
        parser.read(target)
        return dict(parser["global"]), done.stdout.splitlines()

    return run


def test_the_environment_has_the_last_word(hand_over: HandOver) -> None:
    settings, _ = hand_over("global.timeout='10'", "install.timeout='20'", ":env:.timeout='30'")
    assert settings == {"timeout": "30"}


def test_settings_of_other_commands_stay_behind(hand_over: HandOver) -> None:
    settings, _ = hand_over("list.format='columns'", "global.retries='2'")
    assert settings == {"retries": "2"}


def test_files_that_are_named_are_listed_once(hand_over: HandOver, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("x")
    settings, paths = hand_over(f"global.cert='{bundle}'", f":env:.cert='{bundle}'")
    assert settings == {"cert": str(bundle)}
    assert paths == [str(bundle)]


def test_an_index_on_disk_comes_with_the_files_beside_it(
    hand_over: HandOver, tmp_path: Path
) -> None:
    (tmp_path / "index" / "simple").mkdir(parents=True)
    address = (tmp_path / "index" / "simple").as_uri()
    _, paths = hand_over(f"global.extra-index-url='{address}'")
    assert paths == [str(tmp_path / "index")]


def test_what_is_not_on_this_machine_is_not_mounted(hand_over: HandOver) -> None:
    settings, paths = hand_over("global.find-links='/nowhere/at/all'")
    assert settings == {"find-links": "/nowhere/at/all"}
    assert paths == []


def test_a_value_of_several_lines_stays_one_value(hand_over: HandOver) -> None:
    settings, _ = hand_over(r"global.find-links='\na\nb'")
    assert settings == {"find-links": "a b"}


def test_no_configuration_is_a_configuration_too(hand_over: HandOver) -> None:
    assert hand_over("") == ({}, [])
