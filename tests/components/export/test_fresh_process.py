from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.components.toy_export import LABELS, LENGTHS, ToyExport

pytest_plugins = ["tests.components.mlflow_fixtures"]

ROOT = Path(__file__).parents[3]
LOADED = """
import runpy, sys
sys.argv = ["export_check", *sys.argv[1:]]
runpy.run_module("components.export.fresh_process", run_name="__main__")
print(sorted(n for n in sys.modules if n.split(".")[0] in ("components", "rnn_core", "mlflow")))
"""


@pytest.fixture
def raw_examples(toy: ToyExport, tmp_path: Path) -> Path:
    """Two files, as ``write_examples`` leaves them."""
    for shard, records in enumerate((toy.records[:3], toy.records[3:])):
        path = tmp_path / f"raw_test-0000{shard}-of-00002.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)
    return tmp_path / "raw_test"


def test_a_fresh_process_scores_the_first_rows_with_tensorflow_alone(
    toy: ToyExport, raw_examples: Path, tmp_path: Path
) -> None:
    output = tmp_path / "answers.npz"
    arguments = [str(toy.saved_model), str(raw_examples), "4", str(output)]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = ["", ".errors", ".export", ".export.saved_model", ".runtime", ".runtime.libraries"]
    assert done.stdout.strip() == str([f"components{name}" for name in loaded])
    with np.load(output) as answers:
        assert answers["ids"].tolist() == [f"row-{steps}" for steps in LENGTHS[:4]]
        assert tuple(answers["labels"].tolist()) == LABELS
        for signature in ("serving_default", "raw"):
            np.testing.assert_allclose(answers[signature], toy.probabilities[:4], atol=1e-6)
