"""The exported model in a fresh process, with TensorFlow alone: what a server will see.

    python -m components.export.fresh_process SAVED_MODEL RAW_EXAMPLES ROWS OUTPUT

Scores the first ROWS rows of the TFRecord files ``RAW_EXAMPLES-*`` through both signatures and
writes ids, labels and the two [A, K] arrays of probabilities, those of all
steps where each has an answer, to OUTPUT, as an ``.npz`` file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from components.runtime.libraries import mute_import_of_tensorflow

mute_import_of_tensorflow()

import tensorflow as tf  # noqa: E402

from components.export.saved_model import score_raw_tensors, score_saved_model  # noqa: E402

BATCH_SIZE = 32


def main(saved_model: str, raw_examples: str, rows: str, output: str) -> None:
    """Runs the check's half that must not share anything with the trainer."""
    prefix = Path(raw_examples)
    files = sorted(str(path) for path in prefix.parent.glob(f"{prefix.name}-*"))
    records = list(tf.data.TFRecordDataset(files).take(int(rows)).as_numpy_iterator())
    examples = score_saved_model(Path(saved_model), records, BATCH_SIZE)
    raw = score_raw_tensors(Path(saved_model), records, BATCH_SIZE)
    parsed = [tf.train.SequenceExample.FromString(record) for record in records]
    ids = np.array([row.context.feature["id"].bytes_list.value[0].decode() for row in parsed])
    found: dict[str, Any] = {"ids": ids, "labels": np.array(examples.labels)}
    for name, scores in (("serving_default", examples), ("raw", raw)):
        found |= {name: scores.probabilities, f"{name}.class_ids": scores.class_ids}
    np.savez(output, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
