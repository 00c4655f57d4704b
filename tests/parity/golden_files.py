"""Where the goldens are: a folder for each case, and three files for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from tests.parity.cases import Case
from tests.parity.measurement import Measurement

FOLDER: Final = Path(__file__).parent / "goldens"
MODEL_DIR: Final = "model_dir"
"""In the folder of a case: the checkpoint that both sides start from."""
AT_START: Final = "at_start.npz"
"""Evaluation and predictions of that checkpoint."""
AFTER_MORE_STEPS: Final = "after_more_steps.npz"
"""Variables and evaluation after more steps."""
EVENTS: Final = FOLDER / "events.json"
"""Tags in event files, by directory and step, and histograms by step."""
VERSIONS: Final = FOLDER / "versions.json"
"""What made the goldens."""
REVERSE: Final = FOLDER / "reverse.json"
"""How far TensorFlow 2.15 is from rnn_core when it goes on from rnn_core's checkpoints."""


def load(case: Case, file: str) -> Measurement:
    """What is saved in ``AT_START`` or ``AFTER_MORE_STEPS`` of a case."""
    with np.load(FOLDER / case.name / file) as values:
        return dict(values)
