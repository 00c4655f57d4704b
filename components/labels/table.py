"""The kinds of labels, by the value of ``data.label``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from components.label_tasks import TaskName
from components.labels.kind import LabelKind
from components.labels.per_row import LabelOfRow
from components.labels.per_step import LabelOfStep

KINDS: Final[Mapping[TaskName, LabelKind]] = {
    kind.task.name: kind for kind in (LabelOfRow(), LabelOfStep())
}
