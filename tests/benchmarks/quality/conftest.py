"""Two tiny data sets: of numbers with a context, and of tokens."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest

from benchmarks.quality.rows import Rows, read_rows

Splits = tuple[Rows, Rows]


@pytest.fixture(scope="session")
def vibrations(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    """A fast and a slow vibration, in one of two numbers a step; every row has its own length."""
    chance = random.Random(3)
    rows: list[dict[str, object]] = []
    for number in range(48):
        label, period = chance.choice([("fast", 2), ("slow", 6)])
        steps = [
            [chance.gauss(0, 0.2) + (1 if step % period < period / 2 else -1), chance.gauss(0, 1)]
            for step in range(chance.randint(12, 40))
        ]
        context = {"age": number, "side": chance.choice(["left", "right"])}
        rows.append(
            {"id": f"{number}", "label": label, "context": context, "sequence": {"x": steps}}
        )
    return _splits(rows, tmp_path_factory.mktemp("tiny") / "vibrations")


@pytest.fixture(scope="session")
def words_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "Surnames"


@pytest.fixture(scope="session")
def words(words_folder: Path) -> Splits:
    """The same letters, in another order: only pairs of neighbours tell the labels apart."""
    chance = random.Random(3)
    rows: list[dict[str, object]] = []
    for number in range(40):
        label, pair = chance.choice([("up", "ab"), ("down", "ba")])
        letters = list("c".join(pair for _ in range(chance.randint(2, 6))))
        rows.append(
            {"id": f"{number}", "label": label, "context": {}, "sequence": {"letters": letters}}
        )
    return _splits(rows, words_folder)


def _splits(rows: list[dict[str, object]], folder: Path) -> Splits:
    folder.mkdir()
    parts = []
    for name, part in (("train", rows[:-10]), ("test", rows[-10:])):
        path = folder / f"{name}.jsonl"
        path.write_bytes(b"\n".join(map(orjson.dumps, part)))
        parts.append(read_rows(path))
    return parts[0], parts[1]
