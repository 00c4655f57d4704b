"""Evaluation, prediction and training go on as TensorFlow 2.15's estimator does, case by case.

Equal means that no element is further away than ``BOUND`` (1e-5) times the largest element of its
tensor, for a variable also as it was when the steps began; names, shapes, types, strings and whole
numbers are the same. ``measurement.difference`` says why. The goldens are what 2.15.1 gave.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from rnn_core.kernels import library
from tests.parity import cases, ours
from tests.parity.cases import CASES, EVENTS_CASE, Case, one_of_each_kind_of_layers
from tests.parity.golden_files import (
    AFTER_MORE_STEPS,
    AT_START,
    EVENTS,
    FOLDER,
    MODEL_DIR,
    REVERSE,
    load,
)
from tests.parity.measurement import (
    BOUND,
    Measurement,
    differences,
    evaluation,
    event_histograms,
    event_tags,
    predictions,
    variables,
)

RUN_CASES = one_of_each_kind_of_layers() if os.environ.get(library.SWITCH) == "off" else CASES


@dataclasses.dataclass(frozen=True)
class Run:
    """What rnn_core makes of a model_dir of 2.15."""

    case: Case
    at_start: Measurement
    before: Measurement
    """Variables when the steps began."""
    after_more_steps: Measurement


@pytest.fixture(scope="module", params=RUN_CASES, ids=lambda case: case.name)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    case: Case = request.param
    model_dir = tmp_path_factory.mktemp("parity") / MODEL_DIR
    shutil.copytree(FOLDER / case.name / MODEL_DIR, model_dir)
    estimator = ours.estimator(case, model_dir)
    at_start = evaluation(tf, estimator, case) | predictions(tf, estimator, case)
    before = variables(estimator)
    estimator.train(cases.train_input(tf, case), steps=cases.MORE_STEPS)
    after = evaluation(tf, estimator, case) | variables(estimator)
    return Run(case, at_start, before, after)


def too_far(
    ours: Measurement, theirs: Measurement, before: Measurement | None = None
) -> dict[str, float]:
    apart = differences(ours, theirs, before)
    return {name: difference for name, difference in apart.items() if difference > BOUND}


def part(measurement: Measurement, kind: str) -> Measurement:
    return {name: value for name, value in measurement.items() if name.startswith(f"{kind}/")}


def types(measurement: Measurement) -> dict[str, str]:
    """The type of each value; bytes of any length are of one type."""
    return {
        name: "bytes" if value.dtype.kind == "S" else value.dtype.name
        for name, value in measurement.items()
    }


def test_evaluation_has_the_metrics_and_values_of_2_15(run: Run) -> None:
    theirs = part(load(run.case, AT_START), "evaluate")
    assert too_far(part(run.at_start, "evaluate"), theirs) == {}


def test_predictions_have_the_keys_types_and_values_of_2_15(run: Run) -> None:
    predicted, theirs = part(run.at_start, "predict"), part(load(run.case, AT_START), "predict")
    assert types(predicted) == types(theirs)
    assert too_far(predicted, theirs) == {}


def test_more_steps_move_every_variable_and_slot_as_in_2_15(run: Run) -> None:
    moved = part(run.after_more_steps, "variable")
    theirs = part(load(run.case, AFTER_MORE_STEPS), "variable")
    assert types(moved) == types(theirs)
    assert too_far(moved, theirs, run.before) == {}


def test_evaluation_after_more_steps_is_that_of_2_15(run: Run) -> None:
    theirs = part(load(run.case, AFTER_MORE_STEPS), "evaluate")
    assert too_far(part(run.after_more_steps, "evaluate"), theirs) == {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_2_15_went_on_from_what_rnn_core_wrote(case: Case) -> None:
    found = json.loads(REVERSE.read_text())["differences"][case.name]
    assert found.keys() == {"evaluate", "predict", "variable"}
    assert max(found.values()) <= BOUND


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model_dir after two trainings, each followed by two evaluations."""
    model_dir = tmp_path_factory.mktemp("events")
    estimator = ours.estimator(EVENTS_CASE, model_dir, save_summary_steps=2, log_step_count_steps=2)
    for steps in (cases.STEPS, cases.MORE_STEPS):
        estimator.train(cases.train_input(tf, EVENTS_CASE), steps=steps)
        estimator.evaluate(cases.evaluate_input(tf, EVENTS_CASE))
        estimator.evaluate(cases.evaluate_input(tf, EVENTS_CASE), name="again")
    return model_dir


@pytest.mark.parametrize("directory", ["eval", "eval_again"])
def test_an_evaluation_writes_the_tags_of_2_15_at_the_same_steps(
    logged: Path, directory: str
) -> None:
    assert event_tags(tf, logged / directory) == json.loads(EVENTS.read_text())["tags"][directory]


def test_training_writes_the_tags_of_2_15(logged: Path) -> None:
    # Not their steps: ours are multiples, those of 2.15 are counted from the start of each call.
    theirs = json.loads(EVENTS.read_text())["tags"]["."]
    assert set().union(*event_tags(tf, logged).values()) == set().union(*theirs.values())


def test_histograms_of_the_same_step_have_the_buckets_of_2_15(logged: Path) -> None:
    theirs, ours = json.loads(EVENTS.read_text())["histograms"], event_histograms(tf, logged)
    both = theirs.keys() & ours.keys()
    assert both == {"1", "4", "6", "8"}
    assert {step: ours[step] for step in both} == {step: theirs[step] for step in both}
