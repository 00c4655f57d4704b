"""Hands this machine's pip configuration to an image build.

Reads the lines of ``pip config list`` from standard input (``section.key='value'``; the environment
is the section ``:env:``), writes them as one ``pip.conf`` to the path given, and prints the local
files and folders that the values name, one a line: what the build has to mount beside it.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SETTING = re.compile(r"(?P<section>[^.=]+)\.(?P<key>[^=]+)=(?P<value>.*)")


def settings(lines: list[str]) -> dict[str, str]:
    """The settings that count for an installation, by key; the environment has the last word."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in lines:
        match = _SETTING.fullmatch(line.strip())
        if match and match["section"] in found:
            found[match["section"]][match["key"]] = str(ast.literal_eval(match["value"]))
    return found["global"] | found["install"] | found[":env:"]


def local_paths(values: dict[str, str]) -> list[str]:
    """What exists on this machine of the paths and ``file:`` addresses among the values."""
    words = [word for value in values.values() for word in value.split()]
    named = [Path(word) for word in words if word.startswith("/")]
    # The pages of an index on disk link to files that lie beside it.
    indexes = [Path(unquote(urlsplit(word).path)).parent for word in words if word[:5] == "file:"]
    return sorted({str(path) for path in (*named, *indexes) if path.exists()})


def to_text(values: dict[str, str]) -> str:
    """The settings as the text of a ``pip.conf``; a value of several lines stays one."""
    lines = [f"{key} = {' '.join(value.split())}" for key, value in sorted(values.items())]
    return "\n".join(["[global]", *lines, ""])


if __name__ == "__main__":
    merged = settings(sys.stdin.read().splitlines())
    Path(sys.argv[1]).write_text(to_text(merged), encoding="utf-8")
    sys.stdout.writelines(f"{path}\n" for path in local_paths(merged))
