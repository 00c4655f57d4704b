"""What is compared with TensorFlow 2.15's estimator: a table of cases, and the data they share.

A row of ``TABLE`` is a case and its name. Every value that a column of the table can have meets
every value of every other column in at least one row (optimizers: by their kind), except for the
pairs in ``IMPOSSIBLE``; the last rows are what that does not reach. Both sides import this module:
it needs numpy alone, and what makes columns, batches and optimizers takes the modules to make them
with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

TABLE: Final = """
cell        units    output  labels   sequence    context    weights  reduction  optimizer
simple_rnn  [4]      last    2        mixed       numeric    column   sum        Adagrad
simple_rnn  [4]      last    2-soft   vector      embedding  string   sum        rmsprop-both
simple_rnn  [4]      last    5-words  vocabulary  embedding  column   mean       adam-schedule
simple_rnn  [4]      every   2-words  vector      none       none     sum        sgd-momentum
simple_rnn  [4,3]    last    2        vector      indicator  column   sum        Adagrad
simple_rnn  [4,3]    last    2-words  embedding   numeric    none     mean       adam-schedule
simple_rnn  [4,3]    last    2-words  vocabulary  indicator  column   mean       adagrad-clipvalue
simple_rnn  [4,3]    last    3        indicator   indicator  none     mean       rmsprop-momentum
simple_rnn  [4,3]    every   2-soft   numeric     indicator  none     sum        Adam
simple_rnn  5        last    5-words  indicator   none       column   sum        SGD
simple_rnn  5        every   2-words  hashed      embedding  none     sum        adagrad-clipvalue
simple_rnn  5        every   3        embedding   embedding  string   sum        Ftrl
lstm        [4]      last    3        hashed      numeric    column   sum        adam-amsgrad
lstm        [4]      last    3        mixed       embedding  column   sum        rmsprop-momentum
lstm        [4]      last    5-words  numeric     none       column   mean       Ftrl
lstm        [4]      every   2-words  indicator   indicator  string   mean       Ftrl
lstm        [4,3]    last    2-soft   vocabulary  none       string   mean       ftrl-beta
lstm        [4,3]    every   5-words  embedding   numeric    none     mean       adagrad-start
lstm        5        last    2-soft   vector      none       column   mean       adam-amsgrad
lstm        5        last    2-soft   mixed       embedding  string   mean       ftrl-beta
lstm        5        every   2        indicator   embedding  none     mean       Adam
lstm        5        every   2        vocabulary  numeric    string   sum        rmsprop-centered
lstm        5        every   3        numeric     none       string   sum        adagrad-start
lstm        5        every   5-words  mixed       indicator  none     mean       SGD
gru         [4]      last    2-words  numeric     embedding  column   mean       RMSProp
gru         [4]      last    2-soft   embedding   indicator  column   sum        sgd-momentum
gru         [4]      every   2        embedding   none       none     sum        rmsprop-centered
gru         [4,3]    last    2        hashed      indicator  column   mean       ftrl-l1-l2
gru         [4,3]    last    3        vocabulary  embedding  none     mean       SGD
gru         [4,3]    last    5-words  vector      numeric    none     mean       ftrl-l1-l2
gru         [4,3]    every   2        numeric     numeric    string   sum        sgd-nesterov
gru         [4,3]    every   2-words  mixed       none       string   mean       Adam
gru         [4,3]    every   2-soft   hashed      numeric    none     mean       sgd-nesterov
gru         5        last    2-soft   indicator   numeric    string   sum        Adagrad
gru         5        every   3        vector      numeric    none     sum        RMSProp
gru         5        every   5-words  hashed      none       string   sum        RMSProp
gru         5        last    2-words  bags        derived    none     sum        RMSProp
simple_rnn  [4]      last    3        bags        none       string   mean       SGD
lstm        [4]      last    2        mixed       embedding  none     mean       rmsprop-both
lstm        [3,3,2]  last    3        embedding   none       none     mean       sgd-nesterov
gru         [4]      last    3        mixed       derived    none     mean       Adam
simple_rnn  [4]      last    2        numeric     none       none     mean       Adagrad
"""
# `output`: return_sequences is False for last, True for every. `units` without brackets: a number.

IMPOSSIBLE: Final = frozenset({(("output", "every"), ("weights", "column"))})
"""``return_sequences`` takes the weights by name only."""

STEPS: Final = 3
"""Steps of the checkpoint that both sides start from."""
MORE_STEPS: Final = 5
"""Steps that both train from there."""
STEPS_BACK: Final = 2
"""Steps that 2.15 trains from where rnn_core left off."""

_ROWS, _LONGEST, _CLASSES, _TOKENS, _BAG = 12, 4, 5, 9, 2
_WORDS: Final = ["one", "two", "three", "four", "five"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A row of the table; its fields are the columns."""

    cell: str
    units: str
    output: str
    labels: str
    sequence: str
    context: str
    weights: str
    reduction: str
    optimizer: str

    @property
    def name(self) -> str:
        """The whole row, fit for a path; nothing in it is a pattern to a shell or to TensorFlow."""
        row = "_".join(dataclasses.astuple(self))
        return row.replace("[", "layers-").replace(",", "-").replace("]", "")

    @property
    def classes(self) -> int:
        """K."""
        return int(self.labels[0])

    @property
    def every_step(self) -> bool:
        """Whether each step is classified, and not only the last one."""
        return self.output == "every"


def _read_table() -> list[Case]:
    header, *rows = (line.split() for line in TABLE.strip().splitlines())
    return [Case(**dict(zip(header, row, strict=True))) for row in rows]


CASES: Final = _read_table()
EVENTS_CASE: Final = CASES[-1]
"""The case whose event files are compared."""


def layers_of(case: Case) -> tuple[str, bool, str]:
    """What decides how recurrent layers are run: cell, whether they are several, their output."""
    return case.cell, "," in case.units, case.output


def one_of_each_kind_of_layers(cases: Iterable[Case] = CASES) -> list[Case]:
    """The first case of each.

    Without the native operations these are enough. ``rnn_core.models.layer_choice`` alone asks for
    them; columns, labels, weights, reductions and optimizers run the same code with and without.
    """
    return list({layers_of(case): case for case in reversed(list(cases))}.values())


OPTIMIZERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "adagrad-start": ("Adagrad", {"initial_accumulator_value": 0.3, "epsilon": 1e-3}),
    "adagrad-clipvalue": ("Adagrad", {"learning_rate": 0.1, "clipvalue": 0.02}),
    "adam-amsgrad": ("Adam", {"learning_rate": 0.02, "amsgrad": True, "clipnorm": 0.1}),
    "adam-schedule": ("Adam", {"learning_rate": "schedule", "beta_1": 0.8, "epsilon": 1e-4}),
    "ftrl-beta": ("Ftrl", {"learning_rate": 0.1, "beta": 0.2, "learning_rate_power": -0.4}),
    "ftrl-l1-l2": (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "l1_regularization_strength": 0.001,
            "l2_regularization_strength": 0.01,
        },
    ),
    "rmsprop-both": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.9, "centered": True}),
    "rmsprop-centered": ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "centered": True}),
    "rmsprop-momentum": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "epsilon": 1e-4}),
    "sgd-momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "global_clipnorm": 0.5}),
    "sgd-nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
}
"""Optimizers that are not a string: the Keras class and its arguments."""


def optimizer(case: Case, kinds: Any, schedules: Any) -> Any:
    """The argument ``optimizer``: a string, or what makes an instance of a class of ``kinds``."""
    if case.optimizer not in OPTIMIZERS:
        return case.optimizer
    kind, options = OPTIMIZERS[case.optimizer]
    if options.get("learning_rate") == "schedule":
        schedule = schedules.ExponentialDecay(0.05, decay_steps=4, decay_rate=0.5)
        options = {**options, "learning_rate": schedule}
    return lambda: getattr(kinds, kind)(**options)


def _numbers(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


class Data:
    """Twelve rows of 1 to 4 steps; what is of a step has the shape [steps of all rows, ...]."""

    def __init__(self) -> None:
        random = np.random.default_rng(215)
        self.lengths = random.integers(1, _LONGEST + 1, _ROWS)
        steps = int(self.lengths.sum())
        self.steps = {
            "number": _numbers(random, steps),
            "vector": _numbers(random, steps, 3),
            "token": random.integers(0, _TOKENS, steps),
            "of no column": random.integers(0, _TOKENS, steps),
            "bag": random.integers(0, _TOKENS, (steps, _BAG)),
            "word": np.array([*_WORDS, "unseen", "rare"])[random.integers(0, 7, steps)],
        }
        self.rows = {
            "size": _numbers(random, _ROWS, 2),
            "kind": random.integers(0, 4, (_ROWS, 1)),
            "share": random.uniform(0.5, 2, (_ROWS, 1)).astype(np.float32),
        }
        # A weight of zero is legal.
        self.weights = random.choice([0, 0.5, 1, 3], steps).astype(np.float32)
        self.classes = random.integers(0, 60, steps)
        self.soft = random.choice([0, 0.25, 0.7, 1], steps).astype(np.float32)

    def labels(self, case: Case) -> np.ndarray:
        """A label for each row, or for each step."""
        soft = case.labels.endswith("soft")
        values = self.soft if soft else self.classes % case.classes
        if case.labels.endswith("words"):
            values = np.array(_WORDS)[values]
        return values if case.every_step else values[:_ROWS]


def _vocabulary(case: Case) -> list[str] | None:
    return _WORDS[: case.classes] if case.labels.endswith("words") else None


def batches(tf: Any, case: Case, size: int) -> Any:
    """A dataset of (features, labels); whatever has a value for each step is sparse."""
    data = Data()
    per_step = dict(data.steps)
    per_row = dict(data.rows)
    (per_step if case.every_step else per_row)["weight"] = (
        data.weights if case.every_step else data.weights[:_ROWS]
    )
    features = {name: _ragged(tf, values, data) for name, values in per_step.items()}
    labels = data.labels(case)
    labels = _ragged(tf, labels, data) if case.every_step else labels
    dataset = tf.data.Dataset.from_tensor_slices(({**features, **per_row}, labels)).batch(size)
    return dataset.map(lambda features, labels: (_sparse(tf, features), _sparse(tf, labels)))


def _ragged(tf: Any, values: np.ndarray, data: Data) -> Any:
    return tf.RaggedTensor.from_row_lengths(values, data.lengths)


def _sparse(tf: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sparse(tf, one) for name, one in value.items()}
    return value.to_sparse() if isinstance(value, tf.RaggedTensor) else value


def train_input(tf: Any, case: Case) -> Callable[[], Any]:
    """An ``input_fn`` without end, with batches of different lengths."""
    return lambda: batches(tf, case, 4).repeat()


def evaluate_input(tf: Any, case: Case) -> Callable[[], Any]:
    """An ``input_fn`` of batches of different sizes, so that means differ by what they weigh."""
    return lambda: batches(tf, case, 5)


def predict_input(tf: Any, case: Case) -> Callable[[], Any]:
    """An ``input_fn`` of one batch, so that all examples have predictions of one shape."""
    return lambda: batches(tf, case, _ROWS)


def _sequence_columns(column: Any, kind: str) -> list[Any]:
    def tokens(key: str) -> Any:
        return column.sequence_categorical_column_with_identity(key, _TOKENS)

    def words() -> Any:
        return column.sequence_categorical_column_with_vocabulary_list(
            "word", _WORDS, num_oov_buckets=2
        )

    kinds: dict[str, Callable[[], list[Any]]] = {
        "numeric": lambda: [column.sequence_numeric_column("number", normalizer_fn=_halved)],
        "vector": lambda: [column.sequence_numeric_column("vector", shape=(3,))],
        "embedding": lambda: [column.embedding_column(tokens("token"), 2)],
        "indicator": lambda: [column.indicator_column(tokens("token"))],
        "hashed": lambda: [
            column.embedding_column(
                column.sequence_categorical_column_with_hash_bucket("word", 5), 2
            )
        ],
        "vocabulary": lambda: [column.embedding_column(words(), 3)],
        "bags": lambda: [column.embedding_column(tokens("bag"), 2, combiner="sqrtn")],
    }
    kinds["mixed"] = lambda: [
        *kinds["vector"](),
        *kinds["embedding"](),
        column.indicator_column(words()),
    ]
    return kinds[kind]()


def _context_columns(column: Any, kind: str) -> list[Any] | None:
    category = column.categorical_column_with_identity("kind", 4)

    def derived() -> list[Any]:
        buckets = column.bucketized_column(column.numeric_column("share"), [0.8, 1.2, 1.6])
        crossed = column.crossed_column([buckets, category], 6)
        weighted = column.weighted_categorical_column(category, "share")
        return [
            buckets,
            column.indicator_column(crossed),
            column.embedding_column(weighted, 2, combiner="sum"),
        ]

    kinds: dict[str, Callable[[], list[Any] | None]] = {
        "none": lambda: None,
        "numeric": lambda: [column.numeric_column("size", shape=(2,))],
        "indicator": lambda: [column.indicator_column(category)],
        "embedding": lambda: [column.embedding_column(category, 2)],
        "derived": derived,
    }
    return kinds[kind]()


def _halved(values: Any) -> Any:
    return values / 2


def _weight_column(column: Any, kind: str) -> Any:
    if kind == "column":
        return column.numeric_column("weight", normalizer_fn=_halved)
    return "weight" if kind == "string" else None


def arguments(tf: Any, case: Case) -> dict[str, Any]:
    """Arguments of ``RNNClassifier`` but for optimizer, model_dir and config."""
    column = tf.feature_column
    reductions = {"mean": "sum_over_batch_size", "sum": "sum"}
    layers = [int(units) for units in case.units.strip("[]").split(",")]
    return {
        "sequence_feature_columns": _sequence_columns(column, case.sequence),
        "context_feature_columns": _context_columns(column, case.context),
        "units": layers if case.units.startswith("[") else layers[0],
        "cell_type": case.cell,
        "return_sequences": case.every_step,
        "n_classes": case.classes,
        "weight_column": _weight_column(column, case.weights),
        "label_vocabulary": _vocabulary(case),
        "loss_reduction": reductions[case.reduction],
    }
