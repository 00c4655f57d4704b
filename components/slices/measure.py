"""The slices of the test rows: the candidate and the champion, measured on each by itself.

A directory of slices holds:

    slices.json             the Slices
    _SUCCESS

Shapes: N rows of a slice.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from components.artifacts.predictions import PredictionTable, read_predictions
from components.artifacts.schema import load_schema
from components.artifacts.storage import building, write_atomically
from components.artifacts.values import (
    ChampionMetrics,
    Comparison,
    Examples,
    Interval,
    Metrics,
    SliceMetrics,
    Slices,
)
from components.config import DataConfig
from components.evaluation.intervals import Array, Bootstrap, wilson
from components.evaluation.metrics_files import paired_with
from components.evaluation.scoring import overall
from components.features.sliceable import sliceable
from components.gate_config import SliceConfig
from components.metrics import METRICS
from components.metrics_config import MetricsConfig
from components.slices.members import count_values, read_values, slices_of
from components.training.datasets import read_ids

SLICES = "slices.json"

_DEFAULTS = MetricsConfig()


def measure_slices(
    examples: Examples,
    metrics: Metrics,
    champion_metrics: Comparison | None,
    data: DataConfig,
    entries: Sequence[SliceConfig],
    *,
    directory: Path,
) -> Slices:
    """Measures both models on each slice; the rows of several entries may overlap.

    Args:
        examples: whose test split both models were scored on.
        metrics: the candidate's.
        champion_metrics: the champion's on the same rows, or why there are none.
        data: what rows have beside their features.
        entries: ``gate.slices``.
        directory: where the slices are written.

    Raises:
        NotFoundError: the predictions are gone.
        StorageError: the disk is full or the directory cannot be written.
    """
    schema = load_schema(examples.path)
    columns = sliceable(schema.features, data)
    keys = sorted({columns[name].key for entry in entries for name in entry.names})
    values = read_values(examples, schema, keys)
    ids = read_ids(examples, "test")
    ours = read_predictions(Path(metrics.predictions_path)).of_ids(ids)
    theirs = None
    if isinstance(champion_metrics, ChampionMetrics):
        path = Path(champion_metrics.metrics.predictions_path)
        theirs = read_predictions(path).of_ids(ids)
    measured: list[SliceMetrics] = []
    left_out = {}
    named: Counter[str] = Counter()
    for index, entry in enumerate(entries):
        before = len(measured)
        for each in slices_of(entry, columns, values):
            # Two entries may make a slice of the same name, such as by different edges.
            named[each.name] += 1
            name = each.name if named[each.name] == 1 else f"{each.name} - {named[each.name]}"
            one = measure_slice(name, each.range, index, each.rows, ours, theirs, metrics.settings)
            measured.append(one)
        more = count_values(entry, columns, values) - (len(measured) - before)
        if more > 0:
            left_out[index] = more
    result = Slices(tuple(measured), str(directory / SLICES), left_out)
    with building(directory) as partial:
        # Relative, as a directory of slices may be moved.
        fields = TypeAdapter(Slices).dump_python(dataclasses.replace(result, path=SLICES))
        write_atomically(partial / SLICES, json.dumps(fields, indent=1, ensure_ascii=False) + "\n")
    return result


def measure_slice(
    name: str,
    values: str,
    entry: int,
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
    ours: PredictionTable,
    theirs: PredictionTable | None,
    settings: MetricsConfig = _DEFAULTS,
) -> SliceMetrics:
    """The rows with these indices, of two tables of the same rows in the same order."""
    if not len(rows):
        return SliceMetrics(name, values, entry, 0)
    # By their ids, as all metrics: the resamples do not depend on the order of the rows.
    rows = rows[np.argsort(np.array([ours.ids[row] for row in rows.tolist()]))]
    candidate = ours.take(rows)
    reached = overall(candidate, settings)
    if theirs is None:
        return SliceMetrics(name, values, entry, len(rows), reached)
    champion = theirs.take(rows)
    return SliceMetrics(
        name, values, entry, len(rows), reached, _accuracy(champion),
        paired_with(candidate, champion), difference(candidate, champion),
    )  # fmt: skip


def _accuracy(table: PredictionTable) -> Interval:
    """As the table of the metrics has it: alone, which is all that is shown of the champion."""
    if not table.task.in_clusters:
        return wilson(int(table.correct.sum()), len(table))
    right = table.row_sums(table.correct[:, None].astype(np.float64))
    contributions = np.column_stack([right, table.row_lengths])
    return Bootstrap(contributions).interval(
        lambda sums: sums[:, 0] / sums[:, 1], limits=METRICS["accuracy"].limits
    )


def difference(candidate: PredictionTable, champion: PredictionTable) -> Interval:
    """Of the accuracies, the candidate's minus the champion's; a bootstrap over the rows."""
    answers: Array = candidate.row_lengths.astype(np.float64)
    gained = candidate.correct.astype(np.float64) - champion.correct
    contributions = np.column_stack([candidate.row_sums(gained[:, None]), answers])
    return Bootstrap(contributions).interval(lambda sums: sums[:, 0] / sums[:, 1])
