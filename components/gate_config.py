"""What the gate requires: apart from the other settings, so that a new rule retrains nothing."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from components.config import (
    NUMBER,
    STRICT,
    Fraction,
    InnerFraction,
    NonNegativeInt,
    Number,
    PositiveInt,
    SettingsError,
    Switch,
)
from components.metrics import METRICS, Metric
from components.slice_expression import (
    Known,
    comparisons,
    faults,
    parse,
    seconds_of,
    unknown_name,
)

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


def _iso(value: Any) -> Any:
    # YAML reads 2026-01-31 as a date.
    return value.isoformat() if isinstance(value, datetime.date) else value


_Edge: TypeAlias = Annotated[Number | str, BeforeValidator(_iso)]


@dataclass(frozen=True, config=STRICT)
class SliceConfig:
    """Some of the test rows, which are measured, and may be judged, by themselves.

    ``by`` makes a slice of each value, or of each range of values; ``where`` makes one slice.
    """

    by: str | None = None
    """What the rows are sliced by: the name of a context feature, ``length`` (a row's steps), or
    ``time`` (when it was, where ``data.split.time`` says so)."""
    quantiles: Annotated[int, Field(ge=2, le=20), NUMBER] | None = None
    """With ``by`` a number, ``length`` or ``time``: so many ranges with as many rows each."""
    edges: tuple[_Edge, ...] = ()
    """In place of ``quantiles`` where the ranges end, in rising order: ``[50, 100]`` makes three;
    of times ISO 8601."""
    where: Annotated[str, Field(min_length=1)] | None = None
    """In place of ``by`` an expression: comparisons of the same names with values, joined by
    ``and``, ``or`` and ``not``, such as ``customer == "A" and length > 100``."""
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """What a slice with ``where`` is called; its text by default."""
    # Of 30 rows the 95 % interval of an accuracy reaches up to 17 points to either side.
    min_rows: PositiveInt = 30
    """A slice of fewer rows is reported and not judged."""
    bounds: Annotated[dict[BoundedMetric, Bound], Field(description=_BOUNDS_DESCRIPTION)] = (
        dataclasses.field(default_factory=dict)
    )
    """As ``gate.bounds``, of each slice."""
    no_worse_than_champion: Switch = False
    """Whether each slice fails on which the candidate is significantly worse than the champion, at
    the level ``gate.champion.alpha`` of all such slices together (Holm, 1979)."""

    def __post_init__(self) -> None:
        found = list(_bound_faults(self.bounds))
        if (self.by is None) == (self.where is None):
            found.append(("", "give by or where, one of the two"))
        if self.by is None and (self.quantiles is not None or self.edges):
            found.append(("", "quantiles and edges need by, which says of what"))
        if self.by is not None and self.name is not None:
            found.append(("name", "with by the slices are named after their values"))
        if self.quantiles is not None and self.edges:
            found.append(("edges", "give quantiles or edges, not both"))
        if found:
            raise SettingsError(*found)

    @property
    def title(self) -> str:
        """What the report and messages call the entry."""
        return self.by or self.name or self.where or ""

    @property
    def names(self) -> frozenset[str]:
        """What of a row it is about.

        Raises:
            ValueError: ``where`` does not parse.
        """
        if self.where is not None:
            return frozenset(each.name for each in comparisons(parse(self.where)))
        return frozenset({self.by} if self.by is not None else ())

    def row_faults(self, known: Mapping[str, Known]) -> Iterator[tuple[str, str]]:
        """What is wrong with it for rows that have these names, each with its path."""
        if self.where is not None:
            # Here, and not where the entry is made, so that all entries are told of at once.
            try:
                yield from (("where", fault) for fault in faults(parse(self.where), known))
            except ValueError as error:
                yield "where", str(error)
        elif self.by is not None:
            about = known.get(self.by)
            if about is None:
                yield "by", unknown_name(self.by, known)
            else:
                yield from self._range_faults(self.by, about)

    def _range_faults(self, by: str, about: Known) -> Iterator[tuple[str, str]]:
        has_ranges = self.quantiles is not None or bool(self.edges)
        if about.kind == "text":
            if has_ranges:
                yield "by", f"{by} is a text, which has no order: leave quantiles and edges out"
            return
        if not has_ranges and (about.kind != "whole number" or by == "length"):
            yield "by", f"{by} has too many values for a slice of each: give quantiles or edges"
            return
        try:
            edges = [seconds_of(edge) for edge in self.edges]
        except ValueError:
            edges = []
            yield "edges", f"expected ISO 8601 such as 2026-01-31, got {list(self.edges)!r:.80}"
        if about.kind != "time" and any(isinstance(edge, str) for edge in self.edges):
            yield "edges", f"{by} is a {about.kind}: expected numbers, got {list(self.edges)!r:.80}"
        elif any(one >= other for one, other in itertools.pairwise(edges)):
            yield "edges", f"expected numbers that rise, got {list(self.edges)!r:.80}"
        outside = [
            edge
            for edge in edges
            if (about.low is not None and edge <= about.low)
            or (about.high is not None and edge > about.high)
        ]
        if outside:
            limits = f"{by} is {about.low:g} to {about.high:g}"
            yield (
                "edges",
                f"no row can be beyond {outside[0]:g}, as {limits}: that slice would stay empty",
            )


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
    compare_by: Literal["accuracy", "expected_cost"] = "accuracy"
    """What the paired tests are on, against the champion, the reference and the baseline: right and
    wrong answers, or what they cost by ``metrics.costs``. Points of a margin are then hundredths of
    the largest cost."""
    min_examples: PositiveInt = 100
    """Fewest rows in the test split."""
    # The best of 50 equal candidates looks better than it is by two standard errors.
    most_candidates_per_test_split: PositiveInt = 50
    """After so many candidates on the very same test rows a note asks for newer rows."""
    per_class: PerClassFloor = PerClassFloor()
    baseline: BaselineRule = BaselineRule()
    champion: ChampionRule = ChampionRule()
    # More than a person reads, and Holm's correction of so many tests sees large losses alone.
    slices: Annotated[tuple[SliceConfig, ...], Field(max_length=50)] = ()
    """Parts of the test rows that are measured, and may be judged, by themselves."""

    def __post_init__(self) -> None:
        found = list(_bound_faults(self.bounds))
        named = Counter((each.title, each.quantiles, each.edges) for each in self.slices)
        found += [
            (f"slices.{index}", f"{each.title!r} is sliced in this way twice: leave one out")
            for index, each in enumerate(self.slices)
            if named[each.title, each.quantiles, each.edges] > 1
        ]
        if found:
            raise SettingsError(*found)


def _bound_faults(bounds: Mapping[BoundedMetric, Bound]) -> Iterator[tuple[str, str]]:
    for key, bound in bounds.items():
        for end, value in (("min", bound.min), ("max", bound.max)):
            if fault := _bound_fault(value, METRICS[key]):
                yield f"bounds.{key}.{end}", fault


def _bound_fault(value: float | None, metric: Metric) -> str | None:
    """Why a metric cannot have this value; such a bound would let every model pass, or none."""
    low, high = metric.limits
    if value is None or low <= value <= high:
        return None
    # Whoever writes 90 for an accuracy means 90 %.
    percent = f"; {value:g} % is {value / 100:g}" if high == 1 < value <= 100 else ""
    return f"expected {low:g} to {high:g} ({metric.unit}), got {value:g}{percent}"
