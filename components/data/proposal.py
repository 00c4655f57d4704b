"""Reads the rows and proposes settings for them, with notes on what a person should check.

Numbers become a numeric feature, strings a vocabulary, whole numbers that use nearly every value
from 0 or 1 on an id. What some rows lack or what no model can take is left out, and a note says so.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.artifacts.values import Split
from components.config import (
    ConvolutionConfig,
    DataConfig,
    DropoutConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from components.data.feature_inference import doubts, infer_feature, why_left_out
from components.data.row_parsing import InvalidRow
from components.data.rows import find_rows
from components.data.sources.formats import chunks_of
from components.data.sources.source import Chunk, Record
from components.data.statistics import Profile
from components.data.trial import alike, counted_lengths, lengths_of, notes_of_rows, try_rows
from components.errors import DataError
from components.features.config import AnyFeature, FeaturesConfig
from components.features.observed import Observed, Part
from components.features.summaries import MANY_TOKENS, SummariesConfig
from components.gate_config import Bound, GateConfig
from components.label_tasks import PER_ROW, LabelTask, TaskName
from components.labels.table import KINDS

_PARTS: tuple[Part, ...] = ("sequence", "context")
_ROW = '{"id": "a-1", "label": "yes", "context": {"age": 41}, "sequence": {"pulse": [61, 63, 60]}}'

_FEW_ROWS = 500
"""With fewer validation rows the accuracies of two checkpoints differ by points by chance."""
_LEAST_TRAINING_STEPS = 600
_MOST_STEPS = 100_000_000
"""Time steps of all epochs together, some minutes on two cores."""
_LONG_STEPS = 200
"""From this median length on, a convolution with a stride halves a training or better, at the same
accuracy in cross-validation; see docs/quality.md."""
_UNEVEN = 0.8
"""From this share of one label on, accuracy says little about the others."""
_PART_OF_MACRO_F1 = 0.25
"""Of the way from always naming the commonest label to always being right. Half of it, as of
accuracy, is seldom reached: rare labels are harder to tell than common ones."""


@dataclass(frozen=True)
class Proposal:
    """Settings that fit the data, what the data hold, and what a person should check.

    ``rows`` counts the valid rows of each split, ``invalid`` those that do not fit the settings,
    ``labels`` the rows (or steps) of each label; ``lengths`` are the least, median and greatest
    number of steps; ``rare_labels`` counts labels. ``notes_of`` has the notes on each section of
    the config, each one line, and ``reasons_of`` why its settings were chosen.
    """

    data: DataConfig
    features: FeaturesConfig
    model: ModelConfig
    training: TrainingConfig
    gate: GateConfig
    rows: dict[Split, int]
    invalid: int
    labels: dict[str, int]
    lengths: tuple[int, int, int]
    rare_labels: int
    notes_of: Mapping[str, tuple[str, ...]]
    reasons_of: Mapping[str, tuple[str, ...]]

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes on all sections."""
        return tuple(note for notes in self.notes_of.values() for note in notes)


def propose(data: DataConfig) -> Proposal:
    """Reads all rows: to infer the features, and to count and split the rows as a run does.

    Raises:
        NotFoundError: a file does not exist.
        DataError: a file is empty or holds something else than rows, no sequence can be used, or
          there are fewer than two labels.
    """
    chunks = chunks_of(find_rows(data))
    features, alphabets, notes, task = _propose_features(chunks, data)
    data, kind = dataclasses.replace(data, label=task), KINDS[task]
    trial = try_rows(chunks, data, features)
    profile = trial.profile
    steps = sum(length * rows for length, rows in counted_lengths(profile).items())
    if kind.reads_summaries:
        rows = profile.valid_count
        summaries = SummariesConfig.infer(features.numeric_columns, alphabets, steps, rows)
        features = dataclasses.replace(features, summaries=summaries)
    gate, gate_notes = propose_gate(profile, kind.task)
    validation_rows = profile.splits["validation"].rows
    training = propose_training(profile.splits["train"].rows, validation_rows, steps)
    lengths = lengths_of(profile) or [0]
    median = lengths[len(lengths) // 2]
    words = max(alphabets, default=0)
    model = kind.proposed(propose_model(0 if alphabets else median, words))
    return Proposal(
        data=data,
        features=features,
        model=model,
        training=training,
        gate=gate,
        rows={split: seen.rows for split, seen in profile.splits.items()},
        invalid=profile.invalid_count,
        labels=dict(sorted(trial.answers.items())),
        lengths=(lengths[0], median, lengths[-1]),
        rare_labels=len(trial.rule.rare),
        notes_of={
            "data": _lines(notes_of_rows(trial, data, features)),
            "features": _lines(notes),
            "gate": _lines(gate_notes),
        },
        reasons_of={
            **kind.reasons,
            "model": (*kind.reasons.get("model", ()), *_model_reasons(model)),
            "training": _training_reasons(training, validation_rows),
        },
    )


def _lines(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(" ".join(note.split()) for note in notes)


def propose_model(numeric_steps: int = 0, tokens: int = 0) -> ModelConfig:
    """A network that reads both ways, and a linear model of the summaries beside it.

    Chosen on training rows of public data sets, by cross-validation; see docs/quality.md.

    Args:
        numeric_steps: the median length of the rows, if their sequences are of numbers alone.
        tokens: how many different ones, or ids, a sequence has.
    """
    shortened = ConvolutionConfig(filters=32, kernel_steps=8, stride=4)
    return ModelConfig(
        units=(64,),
        bidirectional=True,
        front_end=(shortened,) if numeric_steps >= _LONG_STEPS else (),
        # What tells classes apart may be anywhere in a sequence.
        pooling="mean_max",
        # At each step thousands of summaries would drown the features.
        context="head",
        dropout=DropoutConfig(input=0.3 if tokens >= MANY_TOKENS else 0.0, representation=0.3),
        loss=LossConfig(label_smoothing=0.1),
        optimizer=OptimizerConfig(learning_rate=0.001, schedule="cosine"),
    )


def propose_training(rows: int, validation_rows: int, steps: int) -> TrainingConfig:
    """More passes over few rows, larger batches of many; 20 evaluations.

    Args:
        rows: of the training split.
        validation_rows: of the validation split.
        steps: time steps of all rows together.
    """
    # Rules of thumb, written to the config for a person to change: 20 evaluations show where
    # overfitting begins.
    batch_size = 32 if rows < 10_000 else 64 if rows < 100_000 else 128
    wanted = 80 if rows < 1_000 else 30 if rows < 10_000 else 10
    # 600 training steps at least, as a few batches are no training.
    least = -(-_LEAST_TRAINING_STEPS * batch_size // max(rows, 1))
    epochs = max(3, least, min(wanted, _MOST_STEPS // max(steps, 1)))
    every = max(1, round(epochs / 20))
    epochs = -(-epochs // every) * every
    training_steps = max(1, epochs * rows // batch_size)
    is_few = validation_rows < _FEW_ROWS
    training = TrainingConfig(
        batch_size=batch_size,
        max_epochs=epochs,
        evaluate_every_epochs=every,
        log_every_steps=max(1, training_steps // 100),
        # Patience for 6 evaluations sits out their noise.
        early_stopping_patience_steps=None,
        early_stopping_patience_epochs=None if is_few else 6 * every,
        checkpoint="last" if is_few else "best",
        # Smoothed labels and dropout make a network more cautious than it need be.
        temperature_scaling=True,
        # Twice the time, which is not much where rows are few.
        refit=is_few and 2 * epochs * steps <= _MOST_STEPS,
    )
    if epochs >= 20:
        return training
    part = _rounded(training_steps / 20)
    return dataclasses.replace(
        training,
        evaluate_every_epochs=None,
        evaluate_every_steps=part,
        early_stopping_patience_steps=None if is_few else 6 * part,
        early_stopping_patience_epochs=None,
    )


def _model_reasons(model: ModelConfig) -> Iterator[str]:
    if model.dropout.input:
        yield "dropout.input: each of so many tokens is in few rows, and would be learned by heart."
    for layer in model.front_end:
        yield (
            f"front_end: of {layer.stride} steps one is made before the recurrent layer, which "
            "takes a part of the time for such long rows."
        )


def _training_reasons(training: TrainingConfig, validation_rows: int) -> tuple[str, ...]:
    calibrated = (
        "temperature_scaling: smoothed labels make a network cautious; its probabilities are made "
        "to match how often it is right."
    )
    if training.checkpoint == "best":
        chosen = "The validation split decides when to stop and which checkpoint is kept."
        return (chosen, calibrated)
    reasons = [
        f"On {validation_rows:,} validation rows the best checkpoint would be so by chance: "
        "the last one is kept, where the learning rate has fallen to 0.",
        calibrated,
    ]
    if training.refit:
        reasons.append(
            "refit: the model is then trained anew on the validation rows too, as many epochs."
        )
    return tuple(reasons)


def propose_gate(profile: Profile, task: LabelTask = PER_ROW) -> tuple[GateConfig, list[str]]:
    """A bound above what always naming the commonest label reaches; and a note if need be.

    Of the test split, on which the bound is tried: of accuracy half way to always being right, or
    of macro-F1 where the labels are uneven.
    """
    test = profile.splits["test"]
    labels = test.labels or profile.splits["train"].labels
    label, count = max(labels.items(), key=lambda item: item[1], default=("", 1))
    majority = count / max(1, sum(labels.values()))
    # Always naming one of K labels has for it a precision of its share, and the recall 1.
    macro_f1 = 2 * majority / (1 + majority) / max(1, len(labels))
    is_uneven = _UNEVEN <= majority < 1.0
    bounds = (
        {"macro_f1": Bound(min=_between(macro_f1, _PART_OF_MACRO_F1))}
        if is_uneven
        else {"accuracy": Bound(min=_between(majority, 0.5))}
    )
    # A fifth fewer test rows may come with the next data.
    gate = GateConfig(bounds=bounds, min_examples=max(1, test.rows * 4 // 5))
    if majority < _UNEVEN or not test.rows:
        return gate, []
    found = (
        f"{100 * majority:.3g} % of the test {task.answers} have the label {label!r}, of "
        f"{len(profile.splits['train'].labels):,} labels in training"
    )
    if not is_uneven:
        cure = "give test rows of other labels, or no model can be told from a constant answer"
        return gate, [f"{found}: {cure}."]
    return gate, [
        f"{found}: accuracy says little about the others, so macro_f1 is bounded, in which each "
        f"label counts the same; that answer alone has {macro_f1:.3g}.",
        *_threshold_note(labels),
    ]


def _threshold_note(labels: Mapping[str, int]) -> Iterator[str]:
    """What a threshold would do. It is not proposed: it costs accuracy, by which models are
    compared, and with few positive rows it may cost macro-F1 too (docs/own_data.md)."""
    if len(labels) == 2:
        rarer = json.dumps(min(labels, key=lambda label: labels[label]), ensure_ascii=False)
        yield (
            f"threshold: {{positive: {rarer}, aim: f_beta}} would answer {rarer} from the "
            "probability on that has the best F1 on the validation split: macro_f1 mostly rises, "
            "and accuracy falls."
        )


def _between(least: float, part: float) -> float:
    """This part of the way from ``least`` to 1, rounded down to as few digits as tell it from the
    former.
    """
    value = least + (1 - least) * part
    rounded = (math.floor(value * 10**digits) / 10**digits for digits in range(2, 17))
    return next((found for found in rounded if found > least), value)


def _propose_features(
    chunks: Sequence[Chunk], data: DataConfig
) -> tuple[FeaturesConfig, list[int], list[str], TaskName]:
    """The features; of each sequence that is not of numbers its different values; notes; and what
    has a label.
    """
    alphabets: list[int] = []
    rows, observed, task = _observe(chunks)
    notes: list[str] = []
    features: dict[Part, dict[str, AnyFeature]] = {"sequence": {}, "context": {}}
    for part in _PARTS:
        for name, values in sorted(observed[part].items()):
            feature = infer_feature(values)
            why_not = why_left_out(name, values, rows, data.bad_rows_allowed_fraction)
            if part == "context" and name in (data.split.group, data.split.time):
                why_not = "the rows are split by it."
            if why_not is None and part == "context" and name in features["sequence"]:
                why_not = "a sequence has this name; rename one of them."
            if feature is None or why_not is not None:
                notes.append(f"{part}.{name} is left out: {why_not}")
                continue
            features[part][name] = feature
            if part == "sequence" and feature.raw.dtype != "float32":
                alphabets.append(len(values.values))
            notes += [f"{part}.{name} {doubt}" for doubt in doubts(feature, values)]
        notes += [
            f"{part} has the features {' and '.join(map(repr, names))}, whose names differ in "
            "spaces or capitals alone: make them one in the rows if they mean the same."
            for names in alike(observed[part])
        ]
    if not features["sequence"]:
        found = "\n".join(["", *notes])
        raise DataError(f"{data.train} has no sequence that can be used; a row was expected to "
                        f"look like {_ROW}{found}")  # fmt: skip
    return FeaturesConfig(features["sequence"], features["context"]), alphabets, notes, task


def _observe(chunks: Sequence[Chunk]) -> tuple[int, dict[Part, dict[str, Observed]], TaskName]:
    """Counts the rows that are objects, and observes the values of each feature and the labels."""
    rows = labelled = 0
    tasks: Counter[TaskName] = Counter()
    first_other: tuple[Chunk, Record] | None = None
    observed: dict[Part, dict[str, Observed]] = {"sequence": {}, "context": {}}
    for chunk in chunks:
        for record in chunk.records():
            if not isinstance(record.values, dict):
                first_other = first_other or (chunk, record)
                continue
            rows += 1
            label = record.values.get("label")
            if label not in (None, ""):
                labelled += 1
                tasks.update(_tasks_of(label, record.values))
            for part in _PARTS:
                for name, value in _named_values(record.values, part):
                    observed[part].setdefault(name, Observed(part)).add(value)
    for part in _PARTS:
        for seen in observed[part].values():
            # Rows without a label are invalid, whatever else they lack.
            seen.absent = max(0, labelled - seen.rows)
    if not rows and first_other is not None:
        chunk, record = first_other
        source = chunk.source
        why = f" ({record.values.reason})" if isinstance(record.values, InvalidRow) else ""
        raise DataError(
            f"{source.location(record.number)} is not a row{why}: {record.excerpt}\n"
            f"Expected {source.layout}, such as {_ROW}"
        )
    # That of the most rows; of none, such as lists of other lengths, the check of the rows tells.
    return rows, observed, tasks.most_common(1)[0][0] if tasks else PER_ROW.name


def _tasks_of(label: Any, row: dict[str, Any]) -> Iterator[TaskName]:
    """What may have a label where this is that of a row."""
    lengths = [len(value) for _, value in _named_values(row, "sequence") if isinstance(value, list)]
    for name, kind in KINDS.items():
        if lengths and kind.is_label(label, lengths[0]):
            yield name


def _named_values(row: dict[str, Any], part: Part) -> list[tuple[str, Any]]:
    values = row.get(part)
    if not isinstance(values, dict):
        return []
    return [(name, value) for name, value in values.items() if value is not None]


def _rounded(steps: float) -> int:
    """To 10, 15, 20, … 95, 100, 150, …"""
    # Half the power of ten below: steps of 5 below 100, of 50 below 1,000.
    unit = max(5, 10 ** int(math.log10(max(steps, 1))) // 2)
    return max(unit, round(steps / unit) * unit)
