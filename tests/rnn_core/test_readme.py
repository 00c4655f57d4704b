"""The README of rnn_core: its snippets run, and its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rnn_core

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "rnn_core" / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_snippets_run_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "readme"}
    for match in re.finditer(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        line = TEXT[: match.start()].count("\n") + 1
        code = compile("\n" * line + match[1], "rnn_core/README.md", "exec")
        exec(code, namespace)
    printed = capsys.readouterr().out.splitlines()
    assert "5" in printed  # the step of the model_dir that was taken over


def names_in_table(first_cell: str) -> list[str]:
    _, _, rest = TEXT.partition(f"| `{first_cell}` |")
    rows = rest.split("\n\n")[0].splitlines()[2:]
    return [row.split("`")[1] for row in rows]


@pytest.mark.parametrize("module", [rnn_core, rnn_core.export])
def test_the_tables_name_each_public_name_once(module: object) -> None:
    names = names_in_table(module.__name__)  # type: ignore[attr-defined]
    assert sorted(names) == sorted(module.__all__)  # type: ignore[attr-defined]
