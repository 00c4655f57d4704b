"""What the gate requires: apart from the other settings, so that a new rule retrains nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field
from pydantic.dataclasses import dataclass

from components.config import (
    STRICT,
    Fraction,
    InnerFraction,
    NonNegativeInt,
    Number,
    PositiveInt,
    SettingsError,
)
from components.metrics import METRICS, Metric

_BOUNDED = {key: metric for key, metric in METRICS.items() if metric.may_be_bounded}
_BOUNDS_DESCRIPTION = "Limits of metrics on the test split: " + "; ".join(
    f"{key} ({metric.unit}, {'higher' if metric.higher_is_better else 'lower'} is better)"
    for key, metric in _BOUNDED.items()
)
"""Also the text of the generated config reference."""

if TYPE_CHECKING:
    BoundedMetric: TypeAlias = str
else:
    # Built at run time, so that the schema lists the keys; a type checker accepts only literals.
    BoundedMetric = Literal[tuple(_BOUNDED)]


@dataclass(frozen=True, config=STRICT)
class Bound:
    """The least and the greatest value that a metric may have."""

    min: Number | None = None
    """Smallest value that passes."""
    max: Number | None = None
    """Largest value that passes."""

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")


@dataclass(frozen=True, config=STRICT)
class PerClassFloor:
    """What every class must reach on the test split."""

    min_recall: Fraction = 0.0
    """Smallest recall of any class; 0 is no rule."""
    min_precision: Fraction = 0.0
    """Smallest precision of any class; 0 is no rule."""
    # A label that a test file lacks, or a new one, is no reason to keep an old model.
    min_support: NonNegativeInt = 0
    """Fewest test examples of each class; 0 is no rule."""


@dataclass(frozen=True, config=STRICT)
class ChampionRule:
    """How the candidate must compare with the champion, and with the reference, on the same rows.

    The reference is the model that the best evidence so far supports.
    """

    promote_if: Literal["significantly_better", "not_significantly_worse", "always"] = (
        "significantly_better"
    )
    """``significantly_better`` moves the champion on evidence, and never to a model that may be
    worse than the champion or the reference by more than ``margin_points``.
    ``not_significantly_worse`` promotes nearly every night: what is not shown to be worse than
    either, and not seen behind the reference by more than the margin. ``always`` does not
    compare."""
    # Of equal candidates one in a hundred passes: three or four moves a year.
    alpha: InnerFraction = 0.01
    """Significance level of one night's test that the candidate is better, or is worse."""
    margin_points: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Points of accuracy that a promoted model may at most be below the reference, beyond doubt."""
    promote_when_older_than_days: PositiveInt | None = None
    """A champion that serves for longer is replaced without evidence that the candidate is better,
    if it is within the margin beyond doubt."""
    retire_reference_after_days: PositiveInt = 365
    """A reference that is older is no longer held against candidates; the next model that is
    promoted becomes the reference."""
    if_not_comparable: Literal["refuse", "bounds_alone"] = "refuse"
    """What is done where the champion cannot read the test rows, because it needs a feature that
    they lack, another width or another kind: ``bounds_alone`` decides by all other rules."""


@dataclass(frozen=True, config=STRICT)
class BaselineRule:
    """How the candidate must compare with a cheap model on the same examples."""

    require: Literal["report_only", "not_significantly_worse", "significantly_better"] = (
        "report_only"
    )
    """``report_only`` promotes whatever the comparison says; summary and report tell of it."""
    alpha: InnerFraction = 0.05
    """Significance level of the paired test: McNemar's exact test, or, where each step has a label,
    the sign-flip permutation test of the rows."""


@dataclass(frozen=True, config=STRICT)
class GateConfig:
    """What a model must reach on the test split to be promoted."""

    bounds: Annotated[dict[BoundedMetric, Bound], Field(description=_BOUNDS_DESCRIPTION)] = (
        dataclasses.field(default_factory=lambda: {"accuracy": Bound(min=0.5)})
    )
    promotion: Literal["automatic", "manual"] = "automatic"
    """``manual``: a model that passes becomes the champion only once a person approves it."""
    min_examples: PositiveInt = 100
    """Fewest rows in the test split."""
    # The best of 50 equal candidates looks better than it is by two standard errors.
    most_candidates_per_test_split: PositiveInt = 50
    """After so many candidates on the very same test rows a note asks for newer rows."""
    per_class: PerClassFloor = PerClassFloor()
    baseline: BaselineRule = BaselineRule()
    champion: ChampionRule = ChampionRule()

    def __post_init__(self) -> None:
        faults = [
            (f"bounds.{key}.{end}", fault)
            for key, bound in self.bounds.items()
            for end, value in (("min", bound.min), ("max", bound.max))
            if (fault := _bound_fault(value, METRICS[key]))
        ]
        if faults:
            raise SettingsError(*faults)


def _bound_fault(value: float | None, metric: Metric) -> str | None:
    """Why a metric cannot have this value; such a bound would let every model pass, or none."""
    low, high = metric.limits
    if value is None or low <= value <= high:
        return None
    # Whoever writes 90 for an accuracy means 90 %.
    percent = f"; {value:g} % is {value / 100:g}" if high == 1 < value <= 100 else ""
    return f"expected {low:g} to {high:g} ({metric.unit}), got {value:g}{percent}"
