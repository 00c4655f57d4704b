"""What a training took and how large its model is: a file beside the checkpoints.

A run that reuses the model shows the same figures as the run that trained it.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from components.artifacts.storage import write_atomically

TRAINING_FACTS = "training.json"
"""Name of the file, in the directory of a model."""


@dataclass(frozen=True)
class TrainingFacts:
    """Of one training."""

    seconds: float
    """Wall time, evaluations included; of a training that was continued, that of its last part."""
    parameters: int
    """Numbers that the model learned."""
    chosen_step: int | None = None
    """The step that the fit with a validation split chose; None: it is the model's own."""
    training_accuracy: float | None = None
    """Of that fit at that step, on some of the rows that it was trained on."""
    held_out_rows: int | None = None
    """How many rows it was held against, or those of all folds."""


_FACTS = TypeAdapter(TrainingFacts)


def save_training_facts(directory: Path, facts: TrainingFacts) -> None:
    """Writes the file."""
    write_atomically(directory / TRAINING_FACTS, _FACTS.dump_json(facts))


def find_training_facts(directory: Path) -> TrainingFacts | None:
    """What was saved; None in a model of a release before this file."""
    path = directory / TRAINING_FACTS
    return _FACTS.validate_json(path.read_bytes()) if path.is_file() else None
