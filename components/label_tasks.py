"""What the labels of the rows say, and the words for it: one entry of ``TASKS`` each.

This is the part that everything may read, the config and the gate too: it imports nothing. What the
stages do with each of them is in ``components.labels``.
"""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, TypeAlias

TaskName: TypeAlias = Literal["per_row", "per_step"]
"""The values of ``data.label``."""


@dataclasses.dataclass(frozen=True)
class LabelTask:
    """What has a label, and what follows for numbers and sentences."""

    name: TaskName
    answer: str
    """What a label, and so an answer of the model, is given to: "row"."""
    answers: str
    """The plural."""
    says: str
    """A clause about the rows or about a model: "one label for each row"."""
    in_clusters: bool = False
    """Whether a row has many answers, which depend on each other: then the rows, and not the
    answers, are resampled and paired."""


PER_ROW: Final = LabelTask("per_row", "row", "rows", "one label for each row")
PER_STEP: Final = LabelTask(
    "per_step", "step", "steps", "one label for each time step", in_clusters=True
)
TASKS: Final[dict[TaskName, LabelTask]] = {task.name: task for task in (PER_ROW, PER_STEP)}
"""By name."""
