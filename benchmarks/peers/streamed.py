"""Training from rows on disk beside the same training with all rows in memory.

The same batches in the same order, in processes that take turns; and the peak of their memory with
few rows and with four times as many.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from benchmarks.peers.work import WORKS, Work, batches
from benchmarks.processes.children import Children, interleaved_alone
from benchmarks.processes.ratios import ratio
from components.artifacts.schema import Schema, save_schema
from components.artifacts.values import Examples
from components.data.sequence_examples import encode
from components.data.statistics import STATISTICS
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.training.datasets import make_row_stores
from components.training.selection import Selection

LEAST: Final = 0.9
_ROWS: Final = (20_000, 80_000)
_WAYS: Final = {"memory": False, "disk": True}


def run(rounds: int = 7, *names: str) -> None:
    """Prints the rate from disk, of that from memory, and the memory that both take."""
    for name in names or WORKS:
        with tempfile.TemporaryDirectory(prefix="rnn-bench-") as folder:
            for rows in _ROWS:
                _report(name, rows, rounds, Path(folder) / str(rows))


def _report(name: str, rows: int, rounds: int, directory: Path) -> None:
    size = write(WORKS[name], rows, directory)
    found = measure(name, directory, rounds)
    seconds = {way: [one["seconds"] for one in windows] for way, windows in found.items()}
    peaks = {way: windows[-1]["peak_rss_bytes"] for way, windows in found.items()}
    rate = {
        way: WORKS[name].rows * WORKS[name].window_steps / statistics.median(taken)
        for way, taken in seconds.items()
    }
    print(
        f"{name}, {rows} rows of {size / rows:,.0f} bytes ({size / 1e6:,.0f} MB): "
        + ", ".join(
            f"{way} {rate[way]:,.0f} rows/s, peak {peaks[way] / 1e6:,.0f} MB" for way in found
        )
    )
    print(f"  of memory: {ratio(seconds['memory'], seconds['disk'])} (wanted: {LEAST})", flush=True)


def measure(name: str, directory: Path, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """What the windows of both ways found."""
    with Children() as children:
        started = {
            way: children.start(
                "benchmarks.peers.streamed_child",
                {"work": name, "examples": str(directory), "native": True, "on_disk": on_disk},
            )
            for way, on_disk in _WAYS.items()
        }
        for child in started.values():
            child.answer()
        return interleaved_alone(started, rounds)


def write(work: Work, rows: int, directory: Path) -> int:
    """Writes so many rows, and the store of them; gives the bytes of the examples."""
    directory.mkdir(parents=True)
    labels = tuple(sorted({str(label) for batch in batches(work) for label in batch.labels}))
    features = FeaturesConfig({"x": NumericFeature("numeric", width=work.features)})
    save_schema(Schema(features, labels, {}), directory)
    (directory / STATISTICS).write_text(json.dumps({"rows": {"train": rows}}))
    path = directory / "train-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in itertools.islice(itertools.cycle(list(_records(work))), rows):
            writer.write(record)
    make_row_stores(Examples(str(directory), ""), Selection(("train",)))
    return path.stat().st_size


def _records(work: Work) -> Iterator[bytes]:
    for batch in batches(work):
        for length, values, label in zip(*batch, strict=True):
            yield encode({"label": [str(label).encode()]}, {"x": values[:length]})


if __name__ == "__main__":
    run(int(sys.argv[1]) if sys.argv[1:] else 7, *sys.argv[2:])
