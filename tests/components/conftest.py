"""Rows of every kind, and the examples that Beam makes of them once a session."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from components.artifacts.values import Examples, Model
from components.config import DataConfig, ModelConfig, PreprocessingConfig, TrainingConfig
from components.data.row_parsing import RowFormat
from components.features.config import FeaturesConfig
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.features.summaries import SummariesConfig
from components.features.vocabulary import VocabularyFeature

VOWELS = Path(__file__).parents[2] / "data" / "japanese_vowels"

JsonRow: TypeAlias = dict[str, Any]
WriteRows: TypeAlias = Callable[..., str]

MIXED = FeaturesConfig(
    sequence={
        "motion": NumericFeature(kind="numeric", width=3),
        "pulse": NumericFeature(kind="numeric", normalize="none"),
        "word-1.a": VocabularyFeature(kind="token", min_frequency=2, max_size=6, oov_buckets=2),
        "event": IdFeature(kind="id", size=40),
    },
    context={
        "size": NumericFeature(kind="numeric", width=2),
        "age": NumericFeature(kind="numeric"),
        "colour": VocabularyFeature(kind="categorical"),
        "Läden": IdFeature(kind="id", size=9),
    },
    summaries=SummariesConfig(statistics=True, convolutions=84, ngrams=16),
)
MIXED_FORM = RowFormat.of(MIXED, 1000)
BAD_LINES = ['{"id": "broken",', json.dumps({"id": "unlabelled", "sequence": {}, "context": {}})]


def mixed_row(number: int) -> JsonRow:
    """A row with every kind of feature; the number decides everything in it."""
    random_ = random.Random(number)
    steps = random_.randint(1, 6)
    return {
        "id": f"row-{number}",
        "label": ["no", "yes", "übrig"][number % 3],
        "context": {
            "size": [random_.gauss(5, 2), float(number)],
            "age": random_.randint(1, 90),
            "colour": random_.choice(["red", "green", "blå"]),
            "Läden": random_.randrange(9),
            "not in the config": True,
        },
        "sequence": {
            "motion": [[random_.gauss(100, 9), random_.random(), 7] for _ in range(steps)],
            "pulse": [random_.randint(40, 120) for _ in range(steps)],
            "word-1.a": random_.choices("abcdefghij", range(10, 0, -1), k=steps),
            "event": [random_.randrange(40) for _ in range(steps)],
        },
    }


@dataclass(frozen=True)
class Prepared:
    """What ``write_examples`` was given, and what it made of it."""

    rows: list[JsonRow]
    data: DataConfig
    features: FeaturesConfig
    examples: Examples

    @property
    def path(self) -> Path:
        return Path(self.examples.path)


def write_lines(path: Path, lines: Iterable[str]) -> str:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def mixed_lines() -> list[str]:
    lines = [json.dumps(mixed_row(number), ensure_ascii=False) for number in range(120)]
    return [*lines[:10], BAD_LINES[0], *lines[10:], BAD_LINES[1]]


def prepare(data: DataConfig, features: FeaturesConfig, directory: Path) -> Examples:
    """Runs the stage for real."""
    from components.data.examples import write_examples
    from components.data.rows import find_rows

    return write_examples(find_rows(data), data, features, PreprocessingConfig(), directory)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """120 rows of every kind and two bad ones, split by id."""
    folder = tmp_path_factory.mktemp("mixed")
    train = write_lines(folder / "rows.jsonl", mixed_lines())
    data = DataConfig(train=train, bad_rows_allowed_fraction=0.05)
    rows = [mixed_row(number) for number in range(120)]
    return Prepared(rows, data, MIXED, prepare(data, MIXED, folder / "examples"))


@pytest.fixture(scope="session")
def vowels(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """JapaneseVowels with its official test split."""
    folder = tmp_path_factory.mktemp("vowels")
    files = {"train": VOWELS / "train.jsonl", "test": VOWELS / "test.jsonl"}
    rows = [json.loads(line) for path in files.values() for line in path.read_text().splitlines()]
    data = DataConfig(train=str(files["train"]), test=str(files["test"]))
    features = FeaturesConfig({"coefficients": NumericFeature(kind="numeric", width=12)})
    return Prepared(rows, data, features, prepare(data, features, folder / "examples"))


@pytest.fixture(scope="session")
def small_model(mixed: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of every kind of feature, trained for a few steps."""
    from components.training.train import train_model

    training = TrainingConfig(batch_size=16, max_steps=6, evaluate_every_steps=3)
    directory = tmp_path_factory.mktemp("small") / "model"
    return train_model(mixed.examples, ModelConfig(units=(8,)), training, 7, directory=directory)


@pytest.fixture
def write_rows(tmp_path: Path) -> WriteRows:
    """Writes rows, or lines as they are, to a file and gives its path."""

    def write(rows: Iterable[JsonRow | str], name: str = "rows.jsonl") -> str:
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        return write_lines(tmp_path / name, lines)

    return write
