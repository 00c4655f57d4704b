"""How many rows a second the parts of the pipeline around the training take, each by itself.

Rows of T=50 steps with F=32 numbers each, as in the other measurements of scaling.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.scaling.work import BATCH, CLASSES, FEATURES, STEPS
from components.artifacts.values import Examples
from components.data.examples import write_examples
from components.data.rows import find_rows
from components.runtime.libraries import quiet_libraries
from components.training.datasets import count, read_batches
from pipelines.config import PipelineConfig, load_config

ROWS: Final = (1000, 5000)
"""A small and a large input: what does not depend on the rows falls out of the difference."""
_BATCHES_READ: Final = 300

_CONFIG: Final = """
name: scaling
data: {{train: rows.jsonl, validation_fraction: 0.1, test_fraction: 0.1}}
features: {{sequence: {{x: {{kind: numeric, width: {features}, normalize: z_score}}}}}}
preprocessing: {{runner: FnApiRunner, shards: 2}}
model: {{cell_type: lstm, units: [128]}}
training: {{batch_size: {batch}, max_steps: 1}}
gate: {{bounds: {{}}, min_examples: 1}}
"""


def run() -> None:
    """Prints rows a second, and bytes a row."""
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        measured = [_preprocess(Path(folder) / str(rows), rows) for rows in ROWS]
        rate = _read(measured[-1][0])
        (_, few), (examples, many) = measured
        files = Path(examples.path).glob("train-*.tfrecord")
        size = sum(path.stat().st_size for path in files) / count(examples, "train")
    each = (many - few) / (ROWS[1] - ROWS[0])
    print(
        f"  Beam, both passes     {1 / each:9,.0f} rows/s, and {few - ROWS[0] * each:.1f} s first"
    )
    print(f"  reading in a worker   {rate:9,.0f} rows/s")
    print(f"  memory of a worker    {size:9,.0f} bytes a row")


def _preprocess(root: Path, rows: int) -> tuple[Examples, float]:
    """The examples of so many rows, and the seconds that they took."""
    config = _write(root, rows)
    began_at = time.perf_counter()
    examples = write_examples(
        find_rows(config.data),
        config.data,
        config.features,
        config.preprocessing,
        root / "examples",
    )
    return examples, time.perf_counter() - began_at


def _write(root: Path, rows: int) -> PipelineConfig:
    random = np.random.default_rng(1)
    root.mkdir()
    with (root / "rows.jsonl").open("w") as file:
        for index in range(rows):
            x = random.normal(size=(STEPS, FEATURES)).round(6).tolist()
            row = {"id": f"row-{index}", "label": f"class-{index % CLASSES}", "sequence": {"x": x}}
            file.write(json.dumps(row) + "\n")
    (root / "config.yaml").write_text(_CONFIG.format(features=FEATURES, batch=BATCH))
    return load_config(root / "config.yaml")


def _read(examples: Examples) -> float:
    """Rows a second out of shuffled batches, once they flow."""
    iterator = iter(read_batches(examples, "train", BATCH, shuffle_seed=1, repeat=True))
    for _ in range(20):
        next(iterator)
    began_at = time.perf_counter()
    for _ in range(_BATCHES_READ):
        next(iterator)
    return _BATCHES_READ * BATCH / (time.perf_counter() - began_at)
