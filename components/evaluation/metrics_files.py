"""predictions -> metrics, and the champion's beside the candidate's.

A metrics directory holds:

    predictions.parquet     a row per example: id, label, predicted, correct, probabilities, or a
                            list of each where each step has a label
    metrics.json            the Metrics, with ``predictions_path`` relative to the directory
    per_class.csv           label, support, precision and recall with their intervals, for
                            spreadsheets: a label that they would take for a formula begins with '
    confusion_matrix.png  reliability.png
    comparison.json         the champion's only: the ChampionMetrics
    _SUCCESS
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from components.artifacts.predictions import PredictionTable, read_predictions, write_predictions
from components.artifacts.storage import building, digest_of_file, write_atomically
from components.artifacts.values import ChampionMetrics, Metrics, Pairs, RowSet
from components.errors import DataError
from components.evaluation.figures import confusion_figure, png, reliability_figure
from components.evaluation.permutation import paired_costs, paired_rows
from components.evaluation.scoring import calibration, score
from components.metrics_config import Costs, MetricsConfig

PREDICTIONS = "predictions.parquet"
METRICS = "metrics.json"
COMPARISON = "comparison.json"
_MARKS = 64
"""Of two splits that have a tenth of their rows in common 64 marks show it with 97 %."""
_DEFAULTS = MetricsConfig()
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the start of a formula; full-width signs in East Asian locales."""


def measure(
    table: PredictionTable,
    labels: Sequence[str],
    directory: Path,
    settings: MetricsConfig = _DEFAULTS,
) -> Metrics:
    """Scores the predictions and keeps everything in ``directory``.

    Args:
        table: the predictions on one split.
        labels: the label vocabulary.
        directory: where the metrics are written; what is there is replaced.
        settings: what the config says of the metrics.

    Raises:
        StorageError: the disk is full or the directory cannot be written.
    """
    with building(directory) as partial:
        return _write(table, labels, directory, partial, settings)


def compare(
    candidate: Metrics,
    champion_table: PredictionTable,
    champion_version: int,
    same_model: bool,
    directory: Path,
) -> ChampionMetrics:
    """Scores the champion on the candidate's examples and pairs the two by id.

    Args:
        candidate: the candidate's metrics; its predictions are read from the file they name.
        champion_table: the champion's predictions on the same examples, in any order.
        champion_version: the version that serves.
        same_model: the candidate is the champion.
        directory: where the champion's metrics are written; what is there is replaced.

    Raises:
        DataError: the examples or their labels are not the same.
        NotFoundError: the candidate's predictions are gone.
        StorageError: the disk is full or the directory cannot be written.
    """
    ours = _by_id(read_predictions(Path(candidate.predictions_path)))
    theirs = _by_id(champion_table)
    # A paired test means nothing on other examples, so that this is an error and no rule.
    if (ours.ids, ours.labels) != (theirs.ids, theirs.labels):
        ids = sorted(set(ours.ids) ^ set(theirs.ids))
        what = (
            f"{len(ids)} examples are in one of them only, such as {', '.join(ids[:3])}"
            if ids
            else "the labels of some examples differ"
        )
        raise DataError(
            "candidate and champion must be compared on the same examples, but "
            f"{what}. Score the champion again on the candidate's test split."
        )
    pairs = paired_with(ours, theirs, candidate.settings.costs)
    with building(directory) as partial:
        metrics = _write(champion_table, candidate.labels, directory, partial, candidate.settings)
        result = ChampionMetrics(
            version=champion_version,
            metrics=metrics,
            both_correct=pairs.both_correct,
            only_candidate_correct=pairs.only_candidate_correct,
            only_champion_correct=pairs.only_other_correct,
            both_wrong=pairs.both_wrong,
            same_model=same_model,
            unknown_to_champion=_unknown(ours, champion_table),
            unknown_to_candidate=_unknown(champion_table, ours),
            paired_rows=pairs.rows,
            paired_costs=pairs.costs,
        )
        stored = dataclasses.replace(result, metrics=_relative(metrics))
        write_atomically(partial / COMPARISON, _to_json(stored))
        return result


def pair(candidate: Metrics, table: PredictionTable) -> Pairs:
    """Counts on which examples of ``table``, some or all of the candidate's, which model is right.

    Raises:
        NotFoundError: the candidate's predictions are gone.
    """
    ours = read_predictions(Path(candidate.predictions_path))
    return paired_with(ours.of_ids(table.ids), table, candidate.settings.costs)


def paired_with(
    ours: PredictionTable, theirs: PredictionTable, costs: Costs = _DEFAULTS.costs
) -> Pairs:
    """Counts on which answers which model is right, on the same rows in the same order."""
    return Pairs(
        both_correct=int(np.sum(ours.correct & theirs.correct)),
        only_candidate_correct=int(np.sum(ours.correct & ~theirs.correct)),
        only_other_correct=int(np.sum(~ours.correct & theirs.correct)),
        both_wrong=int(np.sum(~ours.correct & ~theirs.correct)),
        rows=paired_rows(ours, theirs) if ours.task.in_clusters else None,
        costs=paired_costs(ours, theirs, costs) if costs else None,
    )


def per_class_csv(metrics: Metrics) -> str:
    """A line per class, with the intervals' ends.

    A label comes from the data, and people open this file in a spreadsheet, which would run a
    label such as ``=HYPERLINK(...)``: an apostrophe before it makes it text. ``metrics.json`` has
    the labels as they are.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = [f"{name}{end}" for name in ("precision", "recall") for end in ("", "_low", "_high")]
    writer.writerow(["label", "support", *parts])
    for each in metrics.per_class:
        values = [*dataclasses.astuple(each.precision), *dataclasses.astuple(each.recall)]
        label = f"'{each.label}" if each.label.startswith(_FORMULA_STARTS) else each.label
        writer.writerow([label, each.support, *(f"{value:.6f}" for value in values)])
    return text.getvalue()


def _write(
    table: PredictionTable,
    labels: Sequence[str],
    directory: Path,
    partial: Path,
    settings: MetricsConfig,
) -> Metrics:
    """Writes to ``partial`` what will be found in ``directory``."""
    write_predictions(table, partial / PREDICTIONS)
    path = str(directory / PREDICTIONS)
    digest = _digest(partial / PREDICTIONS, settings)
    scored = score(table, labels, predictions_path=path, digest=digest, settings=settings)
    metrics = dataclasses.replace(scored, test_rows=rows_of(table))
    write_atomically(partial / METRICS, _to_json(_relative(metrics)))
    write_atomically(partial / "per_class.csv", per_class_csv(metrics))
    confusion = confusion_figure(metrics.labels, metrics.confusion)
    write_atomically(partial / "confusion_matrix.png", png(confusion))
    write_atomically(partial / "reliability.png", png(reliability_figure(calibration(table))))
    return metrics


def _digest(predictions: Path, settings: MetricsConfig) -> str:
    """Of the metrics, which follow from the predictions, and from what is asked of them."""
    digest = digest_of_file(predictions)
    if settings == _DEFAULTS:
        return digest
    asked = json.dumps(dataclasses.asdict(settings), sort_keys=True)
    return hashlib.sha256(f"{digest} {asked}".encode()).hexdigest()


def rows_of(table: PredictionTable) -> RowSet:
    """Which rows these are, whatever a model answered.

    The labels count too: where the ids are mere numbers of lines, they tell two files apart.
    """
    labels = np.array(table.labels, dtype=object)
    ends = np.cumsum(table.row_lengths)[:-1]
    rows = sorted(
        hashlib.sha256(json.dumps([id_, *its]).encode()).hexdigest()
        for id_, its in zip(table.ids, np.split(labels, ends), strict=True)
    )
    digest = hashlib.sha256("".join(rows).encode()).hexdigest()
    return RowSet(digest[:32], tuple(row[:10] for row in rows[:_MARKS]))


def _by_id(table: PredictionTable) -> PredictionTable:
    return table.take(np.argsort(np.array(table.ids)))


def _unknown(known: PredictionTable, other: PredictionTable) -> dict[str, int]:
    """The labels of one model that the other lacks, each with its examples."""
    counts = Counter(known.labels)
    return {label: counts[label] for label in known.classes if label not in other.classes}


def _to_json(value: Metrics | ChampionMetrics) -> str:
    """NaN stays NaN, which pydantic's own JSON would write as null."""
    fields = TypeAdapter(type(value)).dump_python(value)
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"


def _relative(metrics: Metrics) -> Metrics:
    """A directory of metrics may be moved."""
    return dataclasses.replace(metrics, predictions_path=PREDICTIONS)
