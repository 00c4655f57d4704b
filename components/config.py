"""The settings of each stage: frozen values, validated when they are made.

``pipelines.config.PipelineConfig`` is the root that holds them and reads them from YAML. The gate's
are in ``components.gate_config``.
Units are in the names; a fraction is in [0, 1].
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from components.label_tasks import TaskName
from rnn_core.names import CellType, ContextPlace, OptimizerName, PoolingName

STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)
"""Of every dataclass of settings: no unknown keys, and a field's docstring is its description."""


class SettingsError(ValueError):
    """Faults of one section: each with its path below that section."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {fault}" for path, fault in faults))
        self.faults = faults


def _number(value: Any) -> Any:
    # To Python `yes` is the number 1, and so it would be to pydantic.
    if isinstance(value, bool):
        raise ValueError("expected a number, and not yes, no, true or false")
    return value


NUMBER = BeforeValidator(_number)
"""Behind the limits of every number: yes and no are none."""
LARGEST_INT = 2**31 - 1
"""Sizes and counts are 32-bit numbers in parts of TensorFlow, and none is useful beyond."""
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False), NUMBER]
Fraction: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False), NUMBER]
InnerFraction: TypeAlias = Annotated[float, Field(gt=0.0, lt=1.0, allow_inf_nan=False), NUMBER]
PositiveInt: TypeAlias = Annotated[int, Field(gt=0, le=LARGEST_INT), NUMBER]
NonNegativeInt: TypeAlias = Annotated[int, Field(ge=0, le=LARGEST_INT), NUMBER]
PositiveFloat: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False), NUMBER]
# A year: the system's clocks and waits refuse numbers that are very much larger.
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=31_536_000), NUMBER]
Switch: TypeAlias = Annotated[bool, Field(strict=True)]
# No file system takes a null byte, and a name with another control character is a typing error.
FilePath: TypeAlias = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]


EarlyStoppingMetric: TypeAlias = Literal["average_loss", "accuracy", "macro_f1"]
# Not from the table of metrics: a new one would train all models again.
EARLY_STOPPING_METRICS: dict[EarlyStoppingMetric, Literal[-1, 1]] = {
    "average_loss": -1,
    "accuracy": 1,
    "macro_f1": 1,
}
"""The sign with which higher is better; what each evaluation on the validation split measures."""


def _as_list(value: Any) -> Any:
    """One layer needs no list: ``units: 64``."""
    return [value] if isinstance(value, int | float | str) else value


_Share: TypeAlias = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False), NUMBER]


# A layer of 16,384 units has more than a billion weights, 5 GB and more with the optimizer's.
_Units: TypeAlias = Annotated[int, Field(gt=0, le=16_384), NUMBER]


# Longer than the sequences of most public data sets, and still answered within seconds and a few
# hundred MB. One row of a million steps, such as two files that were glued together, would take
# gigabytes at each step that it is trained on, and a server's memory when it is sent there.
MAX_ROW_STEPS = 100_000


@dataclass(frozen=True, config=STRICT)
class ColumnsConfig:
    """Which columns of a table (Parquet, Arrow, CSV) are what; of all others, lists are sequences
    and single values are the context."""

    id: str | None = "id"
    """The id of a row; null numbers the rows."""
    label: str = "label"
    """The label of a row."""
    time: str | None = None
    """Of a CSV file with one line a step: orders the steps of a row, and is no feature itself."""
    context: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    """Columns of lists that have one value a row, such as a position of two numbers; of a CSV file
    with one line a step, columns that are the same in all lines of a row."""

    @property
    def keys(self) -> frozenset[str | None]:
        """The columns that are no features."""
        return frozenset((self.id, self.label, self.time))


DEFAULT_COLUMNS = ColumnsConfig()


@dataclass(frozen=True, config=STRICT)
class SplitConfig:
    """What keeps rows together, or in their order, when they are split."""

    group: str | None = None
    """Name of a value that stands in each row beside its label, or in its context: all rows with
    the same one, such as those of a customer, are in one split."""
    time: str | None = None
    """Name of such a value that says when a row was, as ISO 8601 text or in seconds since 1970: the
    newest rows are the test split, and those before them validation."""
    test_days: PositiveFloat | None = None
    """With ``time``: the test split is so many days up to the newest row, in place of
    ``test_fraction`` of the rows."""
    validation_days: PositiveFloat | None = None
    """With ``time``: validation is so many days before the test split."""

    def __post_init__(self) -> None:
        faults = [
            (name, f"days need data.split.time, which says when a row was; or leave {name} out")
            for name in ("test_days", "validation_days")
            if getattr(self, name) is not None and self.time is None
        ]
        if faults:
            raise SettingsError(*faults)

    @property
    def is_by_id(self) -> bool:
        """Whether the id of a row decides, and nothing else."""
        return self.group is None and self.time is None


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """Which files hold the rows, and how they are split."""

    train: FilePath
    """File of the training rows, or of all rows if ``test`` is not given: JSONL (also ``.gz`` and
    ``.zst``), Parquet, Arrow, CSV or TSV by its suffix; or a directory or pattern of several. Each
    may be a URL that fsspec knows, such as ``s3://bucket/rows/*.parquet``."""
    validation: FilePath | None = None
    """The validation rows; without them a fraction of ``train`` is taken."""
    test: FilePath | None = None
    """The test rows; without them a fraction of ``train`` is taken."""
    label: TaskName = "per_row"
    """What has a label: each row; or each time step (``per_step``), where the ``label`` of a row is
    a list with one for each step."""
    columns: ColumnsConfig = DEFAULT_COLUMNS
    split: SplitConfig = SplitConfig()
    validation_fraction: InnerFraction = 0.15
    """Share of each label's rows that the stable hash of their id sends to validation."""
    test_fraction: InnerFraction = 0.2
    """Share of each label's rows that the stable hash of their id sends to the test split."""
    # A model is measured on what it knows: a label of a few rows, such as a new or a misspelt one,
    # changes neither the classes nor the gate's verdict until there is enough of it.
    rare_labels: Literal["drop", "train", "other", "stop"] = "drop"
    """What becomes of the rows of rare labels: ``drop`` leaves them out, ``train`` has them in the
    training split alone, ``other`` makes them one class of that name, ``stop`` stops the run. All
    but ``stop`` leave out the rows with labels that only a validation or test file has."""
    # One for each of the three splits.
    min_label_rows: PositiveInt = 3
    """A label with fewer rows in the training file is rare."""
    # Short rows of few values repeat each other without any fault.
    repeated_content: Literal["warn", "stop"] = "warn"
    """What follows if a validation or test row holds what a row of another split holds under
    another id, which makes every metric too good: ``warn`` counts them, ``stop`` stops the run."""
    bad_rows_allowed_fraction: Fraction = 0.01
    """The run stops when a larger share of the rows is invalid."""
    max_row_steps: PositiveInt = MAX_ROW_STEPS
    """A row with more time steps is invalid, or cut, in training and when the model serves."""
    truncate: Literal["head", "tail", "middle"] | None = None
    """Which ``max_row_steps`` steps are kept of a row with more: the first, the last, or those in
    its middle; without this the row is invalid."""

    def __post_init__(self) -> None:
        # With a file for one of the two splits, the fraction of the other alone is taken.
        by_hash = self.test is None and self.validation is None
        if by_hash and self.validation_fraction + self.test_fraction >= 1.0:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on")
        if self.split.group is not None and self.rare_labels == "train":
            raise SettingsError(
                (
                    "rare_labels",
                    "train would move some rows of a group, which data.split.group keeps together; "
                    "let it be drop, other or stop",
                )
            )


@dataclass(frozen=True, config=STRICT)
class PreprocessingConfig:
    """How the Beam pipeline runs."""

    runner: str = "FnApiRunner"
    """A Beam runner by name; it is never left to Beam's default."""
    runner_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Beam pipeline options, passed through."""
    shards: PositiveInt | None = None
    """TFRecord files per split; without it two, or as many as keep each at some 128 MB."""


@dataclass(frozen=True, config=STRICT)
class OptimizerConfig:
    """The optimizer and its step."""

    name: OptimizerName = "adam"
    """The update rule, as in Keras."""
    learning_rate: PositiveFloat = 0.003
    """Size of a step; with a schedule that of the first."""
    schedule: Literal["constant", "cosine"] = "constant"
    """``cosine`` lets the learning rate fall to 0 at the end of training, along half a cosine
    (Loshchilov and Hutter, 2017)."""
    weight_decay: Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False), NUMBER] = 0.0
    """Each step takes this share, times the learning rate, from every weight (AdamW)."""
    clip_norm: PositiveFloat | None = 5.0
    """Each gradient is scaled down to this L2 norm."""
    average_momentum: InnerFraction | None = None
    """With it, averages of the weights are evaluated and exported: each step moves them by 1 -
    ``average_momentum`` of the way to the weights, so that about the last 1 / (1 -
    ``average_momentum``) steps count (Polyak and Juditsky, 1992)."""


@dataclass(frozen=True, config=STRICT)
class DropoutConfig:
    """Shares of the numbers that training replaces by zeros, drawn anew for each step."""

    input: _Share = 0.0
    """Of the features of a time step."""
    between_layers: _Share = 0.0
    """Of the outputs between one recurrent layer and the next."""
    representation: _Share = 0.0
    """Of what represents the sequence."""
    context: _Share = 0.0
    """Of the context and the summaries that enter the head."""
    recurrent: _Share = 0.0
    """Of the weights between the states of one time step and the next."""


@dataclass(frozen=True, config=STRICT)
class ConvolutionConfig:
    """A convolution over the time steps, with ReLU behind it."""

    filters: _Units
    """How many numbers it has for each step."""
    # A kernel of a thousand steps is a second recurrent layer's worth of time and of memory.
    kernel_steps: Annotated[int, Field(gt=0, le=1000), NUMBER]
    """How many steps each of its own steps reads."""
    stride: Annotated[int, Field(gt=0, le=1000), NUMBER] = 1
    """It has a step for every so many that it reads."""

    def __post_init__(self) -> None:
        if self.stride > self.kernel_steps:
            raise ValueError("stride is above kernel_steps: steps between would be read by nothing")


_Convolutions: TypeAlias = Annotated[tuple[ConvolutionConfig, ...], Field(max_length=32)]


@dataclass(frozen=True, config=STRICT)
class LossConfig:
    """What training minimizes. Evaluation reports the plain cross-entropy in any case."""

    label_smoothing: _Share = 0.0
    """The share of each label that is spread over all classes (Szegedy et al., 2016)."""
    class_weights: Literal["none", "balanced"] = "none"
    """``balanced`` weighs a row by rows / (classes x rows of its class) of the training split."""
    focal_gamma: Annotated[float, Field(ge=0.0, allow_inf_nan=False), NUMBER] = 0.0
    """How much less rows count that are easy (Lin et al., 2017); 0: all count the same."""


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """The network."""

    cell_type: CellType = "gru"
    """Kind of the recurrent cells, the same in all layers."""
    units: Annotated[
        tuple[_Units, ...], BeforeValidator(_as_list), Field(min_length=1, max_length=32)
    ] = (64,)
    """Hidden units (H) of each layer; one number is one layer."""
    bidirectional: Switch = False
    """Whether each layer also reads the steps from the last to the first."""
    pooling: PoolingName = "last"
    """What represents a sequence: the outputs of the last step, or over all steps their ``mean`` or
    ``max``, both (``mean_max``), or a mean with learned weights (``attention``)."""
    context: ContextPlace = "steps"
    """Where the context and the summaries enter: beside the features of each step (``steps``),
    beside what represents the sequence (``head``), or ``both``."""
    layer_normalization: Switch = False
    """Whether the outputs of each layer are normalized (Ba et al., 2016)."""
    front_end: _Convolutions = ()
    """Convolutions below the recurrent layers; a stride makes long sequences short."""
    convolution_branch: _Convolutions = ()
    """Convolutions beside the recurrent layers, whose mean over the steps stands beside what
    represents the sequence; filters and steps of 128 and 8, 256 and 5, 128 and 3 are those of
    LSTM-FCN (Karim et al., 2018)."""
    hidden_units: Annotated[
        tuple[_Units, ...], BeforeValidator(_as_list), Field(max_length=32)
    ] = ()
    """Units of dense layers between what represents the sequence and the classes."""
    dropout: DropoutConfig = DropoutConfig()
    """What training leaves out at random."""
    loss: LossConfig = LossConfig()
    """What training minimizes."""
    optimizer: OptimizerConfig = OptimizerConfig()


def _folds(value: int) -> int:
    if value == 1:
        raise ValueError("expected 0 or 2 and more: one fold leaves nothing to train on")
    return value


@dataclass(frozen=True, config=STRICT)
class TrainingConfig:
    """Training length, batch size, and when to log, evaluate and save."""

    batch_size: PositiveInt = 32
    """Rows per training step, of all workers together."""
    max_epochs: PositiveInt | None = None
    """Training ends after so many passes over the training rows at the latest."""
    max_steps: PositiveInt | None = None
    """In place of ``max_epochs``, a number of steps; without either 1000."""
    evaluate_every_epochs: PositiveInt | None = None
    """Checkpoint and evaluation on the validation split, each so many passes."""
    evaluate_every_steps: PositiveInt | None = None
    """In place of ``evaluate_every_epochs``; without either once an epoch where ``max_epochs`` is
    given, and every 50 steps elsewhere."""
    log_every_steps: PositiveInt = 10
    """Loss and steps per second in the log and in MLflow."""
    early_stopping_metric: EarlyStoppingMetric = "average_loss"
    """Decides which checkpoint is best, and when training stops. In ``macro_f1`` each label counts
    the same, however rare it is."""
    checkpoint: Literal["best", "last"] = "best"
    """Which checkpoint is the model: the ``best`` on the validation split; or the ``last``, for a
    validation split of so few rows that the best one is so by chance."""
    early_stopping_patience_steps: PositiveInt | None = 300
    """Training stops after so many steps without a better evaluation."""
    early_stopping_patience_epochs: PositiveInt | None = None
    """If it is given, it counts in place of ``early_stopping_patience_steps``."""
    refit: Switch = False
    """Whether the model is then trained anew, from the first step on, on the training and the
    validation rows together, for as many epochs as were chosen. What is said of the validation
    split is that of the first fit."""
    folds: Annotated[int, Field(ge=0, le=20), AfterValidator(_folds), NUMBER] = 0
    """With 2 or more, the training and the validation rows are dealt out to so many folds, and in
    place of the first fit there is one for each fold, which is held against it: what is said of the
    validation split is of all of these rows. The refit follows in any case. 0: no folds."""
    ensemble_size: Annotated[int, Field(ge=1, le=20), NUMBER] = 1
    """How many networks are trained, one after the other, each from a seed of its own; the model
    answers with the mean of their probabilities (Lakshminarayanan and others, 2017). Training and
    answers take so many times as long. What is said of the validation split is that of the first
    network."""
    temperature_scaling: Switch = False
    """Whether one number, chosen on the validation split, makes the probabilities sharper or
    softer, so that they match how often the model is right (Guo and others, 2017). It is part of
    the exported model and changes no answer; with ``folds`` there is none."""
    keep_checkpoint_max: PositiveInt = 3
    """Newest checkpoints that are kept beside the best one."""
    workers: PositiveInt = 1
    """Processes that share each batch; on a cluster, its size is taken instead."""

    def __post_init__(self) -> None:
        faults = [
            (name, f"give {name} or {other}, not both: {name}: null takes it out")
            for name, other in (
                ("max_steps", "max_epochs"),
                ("evaluate_every_steps", "evaluate_every_epochs"),
            )
            if getattr(self, name) is not None and getattr(self, other) is not None
        ]
        if faults:
            raise SettingsError(*faults)

    @property
    def is_refit(self) -> bool:
        """Whether the model is trained anew on training and validation rows."""
        return self.refit or self.folds > 0


@dataclass(frozen=True, config=STRICT)
class LaunchConfig:
    """How the training workers run, from start to end; nothing here changes what they make."""

    # The other half is for the network, for what other programs hold, and for the files themselves,
    # which the system keeps in what memory is left.
    memory_fraction: Fraction = 0.5
    """Training holds its rows in memory while they take at most this share of the machine's, or of
    the container's limit, all processes on the machine together. Above it each batch is read from a
    copy of the rows on disk, which gives the same model; 0: always."""
    restarts_allowed: NonNegativeInt = 3
    """How often all workers are started again, from the last checkpoint, when one fails."""
    # What Kubernetes gives a pod by default between the two signals.
    grace_seconds: Seconds = 30.0
    """Time to write a checkpoint after SIGTERM; SIGKILL follows."""
    exit_seconds: Seconds = 60.0
    """Time to end for a worker that is done."""
    step_timeout_seconds: Seconds = 600.0
    """How long a worker waits for the others at a step; then all are started again."""
    worker_wait_seconds: Seconds = 600.0
    """How long workers wait for each other at a start."""
    chief_wait_seconds: Seconds = 21600.0
    """On a cluster: how long the others wait for the chief, which first makes the examples."""
    # A server that is started again needs up to half a minute; one that moves to another machine,
    # or whose database is updated, some minutes.
    server_wait_seconds: Seconds = 300.0
    """How long a run that is going on waits for MLflow or Prefect where it needs them."""


@dataclass(frozen=True, config=STRICT)
class ExportConfig:
    """How the exported model is checked before it may be registered."""

    check_rows: PositiveInt = 100
    """Test rows on which a fresh process must answer as the evaluation did."""
    # float32 has seven digits, and batches of another size round the last ones otherwise.
    tolerance: PositiveFloat = 1e-5
    """Largest allowed difference of a probability."""
    # Some seconds of work, so that one client keeps no other waiting long. `predict` takes files of
    # any length.
    max_request_rows: PositiveInt = 10_000
    """Rows in one request to the served model."""
    # Ten of the longest rows; what JSON takes for them, some 20 to 200 MB, is what a server holds.
    max_request_steps: PositiveInt = 1_000_000
    """Time steps of all rows of one request together."""


@dataclass(frozen=True, config=STRICT)
class RetentionConfig:
    """Which past runs and sweeps of this name are kept; the others are removed after each run.

    Prefect's flow runs, too. What the registry's ledger names is kept in any case.
    """

    # A month of nights, and a week of runs that are started by hand or every hour.
    keep_runs: PositiveInt | None = 30
    """The last so many runs are kept; null keeps every run."""
    keep_days: Annotated[float, Field(ge=0, allow_inf_nan=False), NUMBER] = 7.0
    """Every run of the last so many days is kept too."""
    on_server: Switch = False
    """Also delete this work directory's old runs on an MLflow server; without it none there is."""

    def keeps(self, newer: int, age_days: float) -> bool:
        """Whether something stays that has so many newer ones and this age."""
        return self.keep_runs is None or newer < self.keep_runs or age_days <= self.keep_days
