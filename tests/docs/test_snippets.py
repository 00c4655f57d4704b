"""The blocks of all pages run: Python and shell for real, configs and rows through their parsers.

A block that cannot run in a test says why, in a comment above it. ``text`` is output.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.data.row_parsing import InvalidRow, RowFormat, parse_row
from components.data.sources.jsonl import decode_line
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature
from components.label_tasks import TaskName
from pipelines.config import parse_config
from tests.docs.pages import PAGES, Block, blocks
from tests.projects import ROOT

_LANGUAGES = {"python", "sh", "sql", "yaml", "json", "text"}
_DATA = "own_data.md"
_TUTORIAL = "nightly_retraining.md"
_REQUIRED = """
name: part-of-a-config
data: {train: mine.jsonl}
features: {sequence: {pulse: {kind: numeric}}}
"""
_FEATURES = FeaturesConfig(
    sequence={"pulse": NumericFeature(kind="numeric")},
    context={"age": NumericFeature(kind="numeric")},
)
_MORE_FEATURES = FeaturesConfig(
    sequence={"pulse": NumericFeature(kind="numeric"), "event": VocabularyFeature(kind="token")},
    context={"age": NumericFeature(kind="numeric"), "city": VocabularyFeature(kind="categorical")},
)
# What `init` proposes for few rows is a hundred epochs, which is a quarter of a page's time. What
# the trainings of the pages are about is the same after ten, but for the numbers, which nobody
# compares; the config of the tutorial counts steps, and is trained as it is.
_HURRIED = """
rnnflow() {
  if [ "$1" = run ] && grep -q max_epochs "$2"; then
    command rnnflow "$@" --set training.max_epochs=10
  else
    command rnnflow "$@"
  fi
}
.venv/bin/rnnflow() { rnnflow "$@"; }
"""


class Reader:
    """Somebody who follows the pages, in one folder for each, with one work directory.

    Args:
      root: an empty directory.
      server: the address of a Prefect server.
    """

    def __init__(self, root: Path, server: str) -> None:
        self._root = root
        self._server = server
        (root / "work").mkdir()

    def folder(self, page: str) -> Path:
        """Where the reader of a page is: with the environment, and the work directory of all."""
        folder = self._root / page.removesuffix(".md")
        if not folder.is_dir():
            folder.mkdir()
            (folder / ".venv").symlink_to(sys.prefix)
            (folder / ".rnnflow").symlink_to(self._root / "work")
        return folder

    def follow(self, page: str) -> None:
        """Runs all blocks of a page in their order."""
        (path,) = (each for each in PAGES if each.name == page)
        namespace: dict[str, object] = {"__name__": "page"}
        with contextlib.chdir(self.folder(page)):
            for block in blocks(path):
                if block.title:
                    Path(block.title).write_text(block.text)
                elif block.skip is None and block.language == "python":
                    exec(compile(block.text, block.where, "exec"), namespace)
                elif block.skip is None and block.language == "sh":
                    self._call(block)

    def _call(self, block: Block) -> None:
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_API_URL": self._server,
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _HURRIED + block.text],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == block.status, f"{block.where}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Reader:
    return Reader(tmp_path_factory.mktemp("reader"), prefect_server)


@pytest.fixture(scope="module")
def own_data(reader: Reader) -> Path:
    """The folder of the page on own data, after all of it was followed."""
    reader.follow(_DATA)
    return reader.folder(_DATA)


@pytest.fixture(scope="module")
def tutorial(reader: Reader) -> Path:
    """The folder of the tutorial, after all of it was followed."""
    reader.follow(_TUTORIAL)
    return reader.folder(_TUTORIAL)


def test_own_data(own_data: Path) -> None:
    assert (own_data / "mine.yaml").is_file()
    assert len((own_data / "scores.jsonl").read_text().splitlines()) == 300


@pytest.mark.timeout(1800)  # five runs of the pipeline
def test_the_tutorial(tutorial: Path) -> None:
    assert len((tutorial / "scores.jsonl").read_text().splitlines()) == 900


def test_the_readme(reader: Reader, own_data: Path) -> None:
    data = own_data / "mine.jsonl"
    (reader.folder("README.md") / "mine.jsonl").write_bytes(data.read_bytes())
    reader.follow("README.md")


def test_operations(reader: Reader, tutorial: Path) -> None:
    for name in ("nightly.jsonl", "nightly.yaml"):
        (reader.folder("operations.md") / name).write_bytes((tutorial / name).read_bytes())
    reader.follow("operations.md")


_FOLLOWED = {_DATA, _TUTORIAL, "README.md", "operations.md"}
_OTHER_PAGES = [page.name for page in PAGES if page.name not in _FOLLOWED]


@pytest.mark.parametrize("page", _OTHER_PAGES)
def test_every_other_page(reader: Reader, page: str) -> None:
    reader.follow(page)


ALL_BLOCKS = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("block", ALL_BLOCKS, ids=lambda block: block.where)
def test_a_block_has_a_language_and_a_skipped_one_a_reason(block: Block) -> None:
    assert block.language in _LANGUAGES
    assert block.skip is None or len(block.skip.split()) > 3


@pytest.mark.parametrize(
    "block", [each for each in ALL_BLOCKS if each.language == "yaml"], ids=lambda block: block.where
)
def test_a_config_is_valid(block: Block) -> None:
    whole = block.text.startswith("name:")
    parse_config(block.text if whole else _REQUIRED + block.text, source=block.where)


@pytest.mark.parametrize(
    "block", [each for each in ALL_BLOCKS if each.language == "json"], ids=lambda block: block.where
)
def test_a_row_is_valid(block: Block) -> None:
    features = _MORE_FEATURES if "city" in block.text else _FEATURES
    label: TaskName = "per_step" if '"label": [' in block.text else "per_row"
    form = RowFormat.of(features, max_steps=10, label=label)
    assert not isinstance(parse_row(decode_line(block.text.strip().encode()), form), InvalidRow)


def test_no_fence_escapes_the_tests() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fences = sum(line.lstrip().startswith("```") for line in text.splitlines())
        assert fences == 2 * len(blocks(page)), page.relative_to(ROOT)
