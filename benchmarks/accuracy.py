"""Test accuracy on JapaneseVowels' official split, one model per seed."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path

from components.artifacts.values import Examples
from components.data.examples import write_examples
from components.data.rows import find_rows
from components.evaluation.measure import measure_model
from components.runtime.libraries import quiet_libraries
from components.training.train import train_model
from pipelines.config import PipelineConfig, load_config

CONFIG = Path(__file__).resolve().parent.parent / "pipelines/configs/japanese_vowels.yaml"


def run(seeds: Iterable[int]) -> None:
    config = load_config(CONFIG)
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        root = Path(folder)
        rows = find_rows(config.data)
        examples = write_examples(
            rows, config.data, config.features, config.preprocessing, root / "examples"
        )
        accuracies = [_accuracy(config, examples, seed, root) for seed in seeds]
    print(f"median of {len(accuracies)} seeds: {statistics.median(accuracies):.4f}")


def _accuracy(config: PipelineConfig, examples: Examples, seed: int, root: Path) -> float:
    model = train_model(
        examples, config.model, config.training, seed, directory=root / f"model-{seed}"
    )
    metrics = measure_model(model, examples, directory=root / f"metrics-{seed}")
    accuracy = metrics.overall["accuracy"]
    print(
        f"seed {seed}: test accuracy {accuracy.value:.4f} "
        f"[{accuracy.low:.4f}, {accuracy.high:.4f}], {model.step} steps",
        flush=True,
    )
    return accuracy.value
