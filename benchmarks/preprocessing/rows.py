"""The rows of the measurement, and the settings that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import orjson

from components.config import DataConfig, PreprocessingConfig
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature

WIDTH: Final = 12
FEATURES: Final = FeaturesConfig(
    {"x": NumericFeature(kind="numeric", width=WIDTH), "token": VocabularyFeature(kind="token")}
)
PREPROCESSING: Final = PreprocessingConfig()
_LABELS: Final = 6
_TOKENS: Final = 5_000
_BLOCK: Final = 20_000
"""Rows that are drawn at once."""


def data_config(path: Path) -> DataConfig:
    """The file, a fifth of it for the test, three in twenty for validation."""
    return DataConfig(train=str(path), validation_fraction=0.15, test_fraction=0.2)


def write(path: Path, rows: int) -> None:
    """Writes rows of 5 to 40 steps, each of 12 numbers and a token: some 2.2 KB of JSON a row."""
    random = np.random.default_rng(7)
    with path.open("wb") as file:
        for begin in range(0, rows, _BLOCK):
            file.writelines(_line(random, n) for n in range(begin, min(rows, begin + _BLOCK)))


def _line(random: np.random.Generator, number: int) -> bytes:
    steps, label = int(random.integers(5, 41)), int(random.integers(_LABELS))
    values = np.round(random.normal(label / 10, 1.0, (steps, WIDTH)), 4)
    tokens = [f"t{each}" for each in random.zipf(1.3, steps) % _TOKENS]
    row = {
        "id": f"row-{number:08}",
        "label": f"c{label}",
        "sequence": {"x": values.tolist(), "token": tokens},
    }
    return orjson.dumps(row) + b"\n"
