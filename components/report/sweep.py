"""One HTML page about a sweep: what was tried, what it gave, and what it depends on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from components.evaluation.figures import importances_figure, svg, trials_figure
from components.report.render import page


@dataclasses.dataclass(frozen=True)
class TrialRow:
    """One trial."""

    number: int
    values: Sequence[str]
    """Of the parameters, in their order."""
    result: str
    """The value of the metric, or why there is none: pruned, failed."""
    reason: str = ""
    """Of one that failed."""
    curve: tuple[Sequence[int], Sequence[float]] = ((), ())
    """Steps, and the metric at each."""


@dataclasses.dataclass(frozen=True)
class SweepInputs:
    """What the page shows; ``render_report`` is the page of the run that followed."""

    title: str
    sweep: str
    """Names the sweep."""
    metric: str
    """By which trials are compared, on the validation split."""
    space: Mapping[str, str]
    """What each parameter could be."""
    trials: Sequence[TrialRow]
    """The best first."""
    as_it_was: str | None = None
    """The metric with the config's own settings, if they were among the trials."""
    importances: Mapping[str, float] = dataclasses.field(default_factory=dict)
    run_id: str | None = None
    """The run of the best settings, which the gate decided on."""


def render_sweep(inputs: SweepInputs) -> str:
    """The page. The same inputs give the same bytes."""
    curves = [
        ([step for step, value in points], [value for step, value in points])
        for points in (
            [(step, value) for step, value in zip(*each.curve, strict=True) if math.isfinite(value)]
            for each in inputs.trials
        )
    ]
    figures = {"curves": trials_figure(curves, 0, inputs.metric)}
    if inputs.importances:
        figures["importances"] = importances_figure(inputs.importances)
    descriptions = {
        "curves": f"{inputs.metric} of each trial against the step",
        "importances": "the importance of each parameter",
    }
    drawn = {name: Markup(svg(figure, descriptions[name])) for name, figure in figures.items()}
    return page("sweep.html", it=inputs, figures=drawn)
