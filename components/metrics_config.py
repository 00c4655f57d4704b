"""What is asked of a model's answers: how they are measured, and from which probability on one is
given.

Which labels there are is known once the rows are read: ``label_faults`` holds both against them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from components.config import NUMBER, STRICT, InnerFraction, SettingsError

Costs: TypeAlias = dict[str, dict[str, float]]
"""What an answer costs, by the true label and the one that is answered."""

# Not from the table of metrics: a new one would train all models again.
TopK: TypeAlias = Literal[2, 3, 5, 10]

_LEAST_LABELS_FOR_TOP_3: Final = 6
"""Of five labels, three are more than half."""


def _label(value: Any) -> str:
    """A label as the rows have it: YAML reads ``1`` as a number and ``yes`` as true."""
    if isinstance(value, bool):
        raise ValueError(
            f"YAML reads this label as {str(value).lower()}: write it in quotes, such as "
            f'"{"yes" if value else "no"}"'
        )
    if not isinstance(value, str | int) or value == "":
        raise ValueError(f"expected a label; got {value!r:.80}")
    return str(value)


def _costs(value: Any) -> Costs:
    """The table, with all its faults at once."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected for each true label what an answer costs; got {value!r:.80}")
    faults: list[tuple[str, str]] = []
    table: Costs = {}

    def named(label: Any, path: str) -> str | None:
        try:
            return _label(label)
        except ValueError as error:
            faults.append((path, str(error)))
            return None

    for true, row in value.items():
        true_label = named(true, str(true))
        if not isinstance(row, Mapping) or not row:
            faults.append(
                (str(true), f"expected answered labels with their costs; got {row!r:.80}")
            )
            continue
        for answered, cost in row.items():
            path = f"{true}.{answered}"
            label = named(answered, path)
            if isinstance(cost, bool) or not isinstance(cost, int | float):
                faults.append((path, f"expected a number; got {cost!r:.80}"))
            elif not math.isfinite(cost) or cost < 0:
                faults.append((path, f"expected a finite cost, 0 or more; got {cost!r}"))
            elif true_label is not None and label is not None:
                table.setdefault(true_label, {})[label] = float(cost)
    if faults:
        raise SettingsError(*faults)
    return table


@dataclass(frozen=True, config=STRICT)
class MetricsConfig:
    """What is measured of a model where it takes a word from you."""

    top_k: TopK | None = None
    """In `top_3_accuracy` an answer is right if the label is among the three most probable ones.
    This is the number; without it 3, where there are more than 5 labels."""
    costs: Annotated[Costs, BeforeValidator(_costs)] = dataclasses.field(default_factory=dict)
    """What an answer costs: for each true label the answered labels with their costs, 0 or more in
    any unit. What is not there costs 0 where the answer is right, else 1."""

    def most_probable(self, labels: int) -> int:
        """k of the top-k accuracy among so many labels; 0: it is not measured."""
        k = self.top_k or (3 if labels >= _LEAST_LABELS_FOR_TOP_3 else 0)
        return k if k < labels else 0


def cost_of(costs: Costs, true: str, answered: str) -> float:
    """What one answer costs."""
    return costs.get(true, {}).get(answered, 0.0 if true == answered else 1.0)


Aim: TypeAlias = Literal["f_beta", "cost", "recall_at_precision", "precision_at_recall"]


@dataclass(frozen=True, config=STRICT)
class ThresholdConfig:
    """From which probability on one of two labels is answered; the validation split chooses it."""

    positive: Annotated[str, BeforeValidator(_label)]
    """The label that is answered where its probability reaches the threshold."""
    aim: Aim = "f_beta"
    """What the threshold makes best on the validation split: the F-score of the positive label; the
    mean cost by ``metrics.costs``; the recall among thresholds that reach ``precision``; or the
    precision among those that reach ``recall``."""
    beta: Annotated[float, Field(gt=0.0, allow_inf_nan=False), NUMBER] = 1.0
    """Of ``f_beta``: recall counts so many times as much as precision."""
    precision: InnerFraction | None = None
    """Of ``recall_at_precision``: the least precision of the positive label."""
    recall: InnerFraction | None = None
    """Of ``precision_at_recall``: its least recall."""

    def __post_init__(self) -> None:
        faults = []
        for name, aim in (("precision", "recall_at_precision"), ("recall", "precision_at_recall")):
            if self.aim == aim and getattr(self, name) is None:
                faults.append((name, f"aim: {aim} needs the least {name}, such as {name}: 0.9"))
            if self.aim != aim and getattr(self, name) is not None:
                faults.append((name, f"it is of aim: {aim}, and aim is {self.aim}"))
        if self.aim != "f_beta" and self.beta != 1.0:
            faults.append(("beta", f"it is of aim: f_beta, and aim is {self.aim}"))
        if faults:
            raise SettingsError(*faults)


def label_faults(
    metrics: MetricsConfig,
    threshold: ThresholdConfig | None,
    labels: Sequence[str],
    rare: Sequence[str] = (),
) -> Iterator[tuple[str, str]]:
    """The path of each setting that names a label that is not there, and why it cannot stand.

    Args:
        metrics: the section of this name.
        threshold: the section of this name.
        labels: the labels of the training split.
        rare: labels that tonight's rows have too few of, which is no fault of the config.
    """
    known = ", ".join(map(repr, labels[:10])) + (", …" if len(labels) > 10 else "")
    unknown = f"there is no such label; the labels are {known}"
    there = {*labels, *rare}
    for true, row in metrics.costs.items():
        if true not in there:
            yield f"metrics.costs.{true}", unknown
        for answered in row:
            if answered not in there:
                yield f"metrics.costs.{true}.{answered}", unknown
    if metrics.costs and not any(cost_of(metrics.costs, a, b) for a in labels for b in labels):
        yield "metrics.costs", "no answer costs anything; one cost at least must be above 0"
    if threshold is None:
        return
    if len(labels) != 2:
        yield "threshold", f"it is of two labels, and there are {len(labels):,}: {known}"
    elif threshold.positive not in labels:
        yield "threshold.positive", f"{unknown}; got {threshold.positive!r}"
