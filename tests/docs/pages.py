"""The pages of the documentation as their fenced blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.projects import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|exits): (?P<value>[^>]+) -->\n)?"
    r'^```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    ``skip`` is the stated reason why it cannot run in a test, ``status`` the exit status that the
    page promises, ``title`` the file that a reader saves the block as.
    """

    where: str
    language: str
    text: str
    title: str | None
    skip: str | None
    status: int


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    return [_block(page, text, found) for found in _BLOCK.finditer(text)]


def _block(page: Path, text: str, found: re.Match[str]) -> Block:
    line = text[: found.start("text")].count("\n") + 1
    return Block(
        where=f"{page.relative_to(ROOT)}:{line}",
        language=found["language"],
        text=found["text"],
        title=found["title"],
        skip=found["value"].strip() if found["mark"] == "not run" else None,
        status=int(found["value"]) if found["mark"] == "exits" else 0,
    )
