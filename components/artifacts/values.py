"""What passes between the stages: small frozen values of paths, digests and numbers."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.dataclasses import dataclass

from components.config import DEFAULT_COLUMNS, ColumnsConfig
from components.label_tasks import TaskName
from components.metrics_config import Aim, MetricsConfig

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
RAW_TEST = "raw_test"
"""Name of the files with the rows of the test split before the transform."""

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class SourceFile:
    """One file of rows; ``split`` is None where the id of a row decides."""

    path: str
    split: Split | None
    digest: str
    size_bytes: int


@dataclass(frozen=True, config=_STRICT)
class Rows:
    """The raw rows: files, and the digest of their content."""

    files: tuple[SourceFile, ...]
    digest: str
    columns: ColumnsConfig = DEFAULT_COLUMNS
    """Which column is what, of files that have columns."""


@dataclass(frozen=True, config=_STRICT)
class Examples:
    """Preprocessed examples: a directory, laid out as ``components.data.examples`` says."""

    path: str
    digest: str


@dataclass(frozen=True, config=_STRICT)
class CurvePoint:
    """What the answers of the validation split are at one threshold."""

    threshold: float
    precision: float
    """Of the positive label; 1 where it is never answered, as none of its answers is wrong."""
    recall: float
    """Of the positive label."""
    value: float
    """What the aim is about: the F-score, the mean cost, the recall or the precision."""


@dataclass(frozen=True, config=_STRICT)
class Threshold:
    """From which probability on one of two labels is answered."""

    positive: str
    """The label that is answered where its probability is ``value`` or more; else the other."""
    value: float
    aim: Aim
    chosen: CurvePoint
    """What it is on the validation split."""
    neighbours: tuple[CurvePoint, ...] = ()
    """The nearest thresholds at which other rows are answered otherwise, and 0.5."""
    rows: int = 0
    """Of the validation split, by which it was chosen."""
    positives: int = 0
    """Answers of them whose label is the positive one."""
    note: str = ""
    """Why nothing could be chosen, so that it is 0.5."""


@dataclass(frozen=True, config=_STRICT)
class Model:
    """A trained model: the directory, and which of its checkpoints is the model."""

    path: str
    checkpoint: str
    """Prefix of the files of the checkpoint, below ``path``."""
    step: int
    """Its global step."""
    digest: str
    temperature: float = 1.0
    """Its probabilities are taken to the power of 1 / temperature, and divided by their sum."""
    threshold: Threshold | None = None
    """Without it the most probable label is the answer."""
    other_checkpoints: tuple[str, ...] = ()
    """Those of the other networks of an ensemble."""

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Of all networks; the mean of their probabilities is the model's."""
        return (self.checkpoint, *self.other_checkpoints)


@dataclass(frozen=True, config=_STRICT)
class Interval:
    """A value with the two ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, config=_STRICT)
class ClassMetrics:
    """What was measured for one class."""

    label: str
    precision: Interval
    recall: Interval
    support: int
    """The number of examples, or steps, with this label."""


@dataclass(frozen=True, config=_STRICT)
class RowSet:
    """Which rows a model was tested on, told by their ids and labels."""

    digest: str
    """Of all of them: two splits with the same digest hold the same rows."""
    marks: tuple[str, ...]
    """The smallest of the rows' own digests: two splits that share none have hardly a row in
    common."""


@dataclass(frozen=True, config=_STRICT)
class Metrics:
    """What a model reaches on one set of examples.

    ``confusion[i][j]`` counts the examples (or steps) of label i that were predicted as label j.
    """

    overall: dict[str, Interval]
    """By the keys of ``components.metrics.METRICS``; in JSON they stand beside the other fields."""
    per_class: tuple[ClassMetrics, ...]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    examples: int
    predictions_path: str
    """Parquet file with a row per example: id, label, predicted, correct, probabilities."""
    digest: str
    task: TaskName = "per_row"
    """What has a label. ``confusion`` and the classes' support count that: rows, or steps."""
    test_rows: RowSet | None = None
    """Which rows these are; None in metrics of older releases."""
    settings: MetricsConfig = MetricsConfig()
    """What the config says of the metrics."""

    @model_serializer(mode="wrap")
    # ``metrics.json`` has one flat object, so that a reader needs no knowledge of ``overall``; the
    # two functions convert it there and back, whatever metrics there are.
    def _flat(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = serialize(self)
        return {**fields.pop("overall"), **fields}

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or "overall" in fields:
            return fields
        names = cls.__dataclass_fields__
        return {
            "overall": {key: value for key, value in fields.items() if key not in names},
            **{key: value for key, value in fields.items() if key in names},
        }


@dataclass(frozen=True, config=_STRICT)
class Champion:
    """The model version that serves now: its registered name, version and local copy."""

    name: str
    version: int
    path: str
    """Directory of the SavedModel."""
    model_digest: str
    """Digest of the trained model it was exported from."""
    rolled_back_digests: tuple[str, ...] = ()
    """Trained models that a person took out of service."""


@dataclass(frozen=True, config=_STRICT)
class ChampionMetrics:
    """The champion on the candidate's examples, and how the two agree there.

    The four counts are of answers: of examples, or of steps where each has a label.
    """

    version: int
    metrics: Metrics
    both_correct: int
    only_candidate_correct: int
    only_champion_correct: int
    both_wrong: int
    same_model: bool
    """The candidate is the champion itself."""
    rolled_back: bool = False
    """A person took the candidate out of service before."""
    unknown_to_champion: dict[str, int] = field(default_factory=dict)
    """Labels that only the candidate knows, with their examples: the champion is wrong on these."""
    unknown_to_candidate: dict[str, int] = field(default_factory=dict)
    """Labels that only the champion knows, with their examples: the candidate is wrong on these."""
    paired_rows: PairedRows | None = None
    """Where a row has many answers: what is tested instead of the four counts."""
    paired_costs: PairedRows | None = None
    """Where answers have costs: the same of them, for a gate that compares by cost."""


@dataclass(frozen=True, config=_STRICT)
class IncomparableChampion:
    """A champion that cannot answer the candidate's examples."""

    version: int
    reason: str
    """A clause about the champion: "it cannot read ..."."""
    same_model: bool
    """The candidate is the champion itself."""
    rolled_back: bool = False
    """A person took the candidate out of service before."""


Comparison: TypeAlias = ChampionMetrics | IncomparableChampion
"""What is known of the champion on the candidate's examples."""


@dataclass(frozen=True, config=_STRICT)
class PairedRows:
    """Two models on the same rows, by what each has of a row: the share of its answers that is
    right, or, below 0, their mean cost in shares of the largest cost.

    Such a share is no count, and the answers of a row depend on each other; see
    ``components.evaluation.permutation``.
    """

    mean_difference: float
    """The mean over the rows of what the candidate has minus what the other has."""
    candidate_ahead: int
    """Rows of which the candidate has more."""
    other_ahead: int
    """Rows of which the other model has more."""
    p_worse: float
    """One-sided p-value of the test that the candidate is worse."""
    p_better: float
    """One-sided p-value of the test that it is better."""
    squares: float
    """The sum of the squares of the rows' differences."""
    costs_digest: str = ""
    """Of the costs, where it is by these; else empty."""


@dataclass(frozen=True, config=_STRICT)
class Pairs:
    """On how many of the same examples two models are right: the candidate, and another one."""

    both_correct: int
    only_candidate_correct: int
    only_other_correct: int
    both_wrong: int
    rows: PairedRows | None = None
    """Where a row has many answers: what is tested instead of the counts, which are of answers."""
    costs: PairedRows | None = None
    """Where answers have costs: the same of them, for a gate that compares by cost."""

    @property
    def examples(self) -> int:
        """All of them."""
        one = self.only_candidate_correct + self.only_other_correct
        return self.both_correct + one + self.both_wrong

    @property
    def candidate_accuracy(self) -> float:
        """Of the candidate on these examples."""
        return (self.both_correct + self.only_candidate_correct) / self.examples

    @property
    def other_accuracy(self) -> float:
        """Of the other model on them."""
        return (self.both_correct + self.only_other_correct) / self.examples


@dataclass(frozen=True, config=_STRICT)
class BaselineMetrics:
    """A cheap model on the candidate's examples, or on a part of them if there are very many."""

    key: str
    label: str
    """What kind of model it is, within a sentence: "a random forest on ..."."""
    metrics: Metrics
    pairs: Pairs
    train_rows: int
    """The rows that it was trained on."""
    majority_label: str
    """The commonest label of these rows."""
    majority_accuracy: float
    """What a model reaches that always answers that label."""


@dataclass(frozen=True, config=_STRICT)
class SliceMetrics:
    """The candidate, and the champion if it can be compared with, on one slice of the test rows."""

    name: str
    range: str
    """What its values run from and to, where its name does not say it."""
    entry: int
    """The index of the entry of ``gate.slices`` that it comes from."""
    rows: int
    overall: dict[str, Interval] = field(default_factory=dict)
    """The metrics that can be measured on these rows; empty without a row."""
    champion_accuracy: Interval | None = None
    pairs: Pairs | None = None
    """None without a row, and without a champion to compare with."""
    difference: Interval | None = None
    """Of the accuracies, the candidate's minus the champion's, with its 95 % interval."""


@dataclass(frozen=True, config=_STRICT)
class Slices:
    """All slices of a run, in the order of ``gate.slices``."""

    measured: tuple[SliceMetrics, ...]
    path: str = ""
    """File that holds them."""
    left_out: dict[int, int] = field(default_factory=dict)
    """By the index of an entry how many of its slices there are beside those measured."""


@dataclass(frozen=True, config=_STRICT)
class Evidence:
    """A candidate beside one version on the same rows: d is what the candidate has right of a row
    minus what the version has, as shares of the row's answers."""

    version: int
    rows: int
    total: float
    """The sum of d over the rows."""
    squares: float
    """The sum of its squares: with one answer a row, the rows that only one of the two has
    right."""
    costs_digest: str = ""
    """Of the costs, where d is by these: nights with others do not add up with it."""


@dataclass(frozen=True, config=_STRICT)
class Look:
    """One candidate that was held against test rows."""

    rows: RowSet
    predictions: str
    """Digest of the candidate's predictions: the same candidate on the same rows counts once."""
    against: tuple[Evidence, ...] = ()
    """The champion, and the reference where that is another version."""
    when: str = ""
    """ISO 8601, UTC; empty before the registry keeps it."""


@dataclass(frozen=True, config=_STRICT)
class Past:
    """What the gate must know of the nights before."""

    champion_days: float = 0.0
    """Since the champion became it."""
    reference_days: float = 0.0
    """Since the reference became it."""
    reference_missing: str = ""
    """Why there is no reference to be held against, in words; empty where there is one, or where
    the champion is it."""
    looks: tuple[Look, ...] = ()
    """Oldest first."""


@dataclass(frozen=True, config=_STRICT)
class Incumbents:
    """What a candidate is held against."""

    champion: Champion | None = None
    reference: Champion | None = None
    """None where the champion is the reference."""
    past: Past = Past()


@dataclass(frozen=True, config=_STRICT)
class RuleResult:
    """One rule of the gate: its name, the value seen, the bound, and a sentence why."""

    rule: str
    passed: bool
    value: float | None
    bound: str
    reason: str
    slice_name: str = ""
    """Which slice of the test rows it is about; empty where it is about all of them."""


Verdict: TypeAlias = Literal["promoted", "proposed", "unchanged", "refused"]


@dataclass(frozen=True, config=_STRICT)
class Decision:
    """What the gate decided, rule by rule."""

    promoted: bool
    """Each rule passed: the candidate may serve."""
    reason: str
    rules: tuple[RuleResult, ...]
    champion_version: int | None
    unchanged: bool = False
    """The candidate may serve and does so already: it is the champion itself."""
    notes: tuple[str, ...] = ()
    """What a person should know of the rules themselves; each is one sentence."""
    moves_reference: bool = True
    """If it is promoted, it is the new reference too: it is better than that beyond doubt, or there
    is none to be held against."""
    look: Look | None = None
    """What was compared, for the nights to come."""
    candidates_on_these_rows: int = 1
    """How many candidates have been held against these very test rows, with this one."""
    needs_approval: bool = False
    """It serves only once a person has approved it."""

    @property
    def verdict(self) -> Verdict:
        """In one word."""
        if not self.promoted:
            return "refused"
        if self.unchanged:
            return "unchanged"
        return "proposed" if self.needs_approval else "promoted"


@dataclass(frozen=True, config=_STRICT)
class Export:
    """A SavedModel that was checked in a fresh process."""

    path: str
    """Directory that holds ``saved_model/`` and ``check.json``."""
    digest: str
    """Digest of the trained model."""
    largest_difference: float
    """Largest difference of a probability between the exported and the evaluated model."""
    checked_rows: int


@dataclass(frozen=True, config=_STRICT)
class Version:
    """A registered model version; ``aliases`` are those it holds after this run."""

    name: str
    version: int
    aliases: tuple[str, ...]
    reused: bool
    """The same model was registered before: no new version was made."""
