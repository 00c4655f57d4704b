"""On what a run that is due depends: one entry of ``CONDITIONS`` each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import yaml

from components.errors import RnnflowError
from pipelines.config import PipelineConfig, dump_config
from pipelines.lineage import LINEAGE, read_lineage
from pipelines.stage_records import DIGEST_SHOWN
from pipelines.work_directory import CONFIG, WorkDirectory

_DECIDED: Final = ("promoted", "proposed", "unchanged", "refused")
"""Runs that came to a decision: another one on the same data would come to it again."""


def always(config: PipelineConfig, work: WorkDirectory) -> str:
    """Never a reason to skip a run."""
    del config, work
    return ""


def new_data(config: PipelineConfig, work: WorkDirectory) -> str:
    """Why a run is skipped: the last one that came to a decision had these rows and settings."""
    # Here, as the other conditions read no rows.
    from components.data.rows import find_rows

    for run_id in reversed(work.run_ids()):
        outcome = work.find_outcome(run_id)
        if outcome is None or outcome.name != config.name or outcome.status not in _DECIDED:
            continue
        before = read_lineage(work.runs / run_id / LINEAGE)
        text = (work.runs / run_id / CONFIG).read_text(encoding="utf-8")
        if before is None or yaml.safe_load(text) != yaml.safe_load(dump_config(config)):
            return ""
        try:
            digest = find_rows(config.data).digest
        except RnnflowError:
            return ""  # the run itself says what is wrong with its rows, and tells it
        if digest != before.data:
            return ""
        return (
            f"no new data since run {run_id}, which was {outcome.status}: digest "
            f"{digest[:DIGEST_SHOWN]}, and the same config"
        )
    return ""


CONDITIONS: Final[Mapping[str, Callable[[PipelineConfig, WorkDirectory], str]]] = {
    "always": always,
    "new-data": new_data,
}
"""By the value of ``--when``: gives the reason why a run is skipped, or an empty text."""
