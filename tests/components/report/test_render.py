"""The report: what a reader finds, and that it is one safe, self-contained page."""

from __future__ import annotations

import dataclasses
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from components.artifacts.history import HistoryPoint
from components.artifacts.predictions import PredictionTable, StepPredictions
from components.artifacts.values import (
    BaselineMetrics,
    ChampionMetrics,
    Comparison,
    CurvePoint,
    IncomparableChampion,
    Interval,
    Metrics,
    PairedRows,
    Pairs,
    Rows,
    SliceMetrics,
    Slices,
    SourceFile,
    Threshold,
)
from components.evaluation.gate import decide
from components.evaluation.scoring import overall, score, without_temperature
from components.gate_config import Bound, ChampionRule, GateConfig, PerClassFloor, SliceConfig
from components.report.advice import advice
from components.report.changes import Change, LineageStep, SinceChampion, changed_answers
from components.report.render import Command, ReportInputs, render_report
from components.report.slices import slice_rows
from components.report.tables import largest_confusions, most_confident_errors, side_by_side
from components.slices.measure import measure_slice

_VOID = {"meta", "br", "link", "img", "hr", "input", "use", "path"}
LABELS = ("a", "b", "<script>alert(1)</script>")


def predictions(classes: tuple[str, ...] = LABELS, examples: int = 60) -> PredictionTable:
    random = np.random.default_rng(1)
    true = np.arange(examples) % len(classes)
    odds = np.exp(random.normal(size=(examples, len(classes))) + 2.5 * np.eye(len(classes))[true])
    return PredictionTable(
        ids=tuple(f"row-{i:03}" for i in range(examples)),
        labels=tuple(classes[i] for i in true),
        classes=classes,
        probabilities=odds / odds.sum(axis=1, keepdims=True),
    )


TABLE = predictions()
METRICS = score(TABLE, LABELS, predictions_path="p", digest="d")
LENIENT = ChampionRule(promote_if="not_significantly_worse")
"""On 60 rows nothing is significantly better."""
GATE = GateConfig(min_examples=10, champion=LENIENT)
CHAMPION = ChampionMetrics(3, METRICS, 40, 6, 5, 9, same_model=False)
STATISTICS = {
    "rows": {"train": 1200, "validation": 20, "test": 60},
    "lengths": {"train": {"min": 7, "median": 15.5, "max": 29}, "validation": {}, "test": {}},
    "labels": {"train": dict.fromkeys(LABELS, 400), "validation": {"a": 20}, "test": {}},
    "missing_values": {"pressure": 17, "none": 0},
    "bad_rows": {
        "count": 2,
        "of": 1282,
        "problems": [{"problem": "not JSON", "count": 2, "first": "train.jsonl:17"}],
    },
    "vocabulary_sizes": {"word": 1234},
}
STRICT = GateConfig(bounds={"accuracy": Bound(min=0.999)}, min_examples=10, champion=LENIENT)


def reaching(**changed: Interval) -> Metrics:
    """METRICS with other values of some metrics."""
    return dataclasses.replace(METRICS, overall=METRICS.overall | changed)


def inputs(gate: GateConfig | None = None) -> ReportInputs:
    return ReportInputs(
        title="vowels & more",
        run_id="run-7",
        created_at="1 May 2030, 12:00 UTC",
        data=Rows((SourceFile("data/train.jsonl", None, "a1" * 32, 1_234_567),), "d2" * 32),
        statistics=STATISTICS,
        config_yaml="name: vowels\nlabel: <none>\n",
        metrics=METRICS,
        champion_metrics=CHAMPION,
        decision=decide(METRICS, CHAMPION, gate or GATE),
        history=(HistoryPoint(10, 1, {"train/loss": 1.0, "validation/accuracy": 0.4}),),
        model_step=10,
        predictions=TABLE,
        versions={"tensorflow": "2.21.0"},
        commands=(Command("rnnflow compare", "compare the last runs"),),
    )


class _Page(HTMLParser):
    """Collects the visible text, and checks that every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "svg" not in self.open:
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def shown(page: str) -> str:
    return _Page(page).text


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(inputs())


@pytest.fixture(scope="module")
def text(page: str) -> str:
    return shown(page)


@pytest.mark.slow
def test_a_promoted_model_is_said_to_be_promoted(text: str) -> None:
    assert "✓ Promoted" in text
    assert "Refused" not in text
    assert "What to do" not in text


@pytest.mark.slow
def test_a_bound_that_a_constant_answer_passes_is_named_also_of_a_model_that_is_promoted() -> None:
    low = GateConfig(bounds={"accuracy": Bound(min=0.1)}, min_examples=10, champion=LENIENT)
    report = shown(render_report(inputs(low)))
    assert "✓ Promoted" in report
    assert "What to do gate.bounds.accuracy.min = 0.1 stops no model that answers" in report


@pytest.mark.slow
def test_a_champion_that_stays_is_not_said_to_be_promoted() -> None:
    same = dataclasses.replace(CHAMPION, same_model=True)
    decision = decide(METRICS, same, GATE)
    report = dataclasses.replace(inputs(), decision=decision, champion_metrics=same)
    text = shown(render_report(report))
    assert "✓ Unchanged This very model is version 3, the champion already" in text
    assert "Promoted" not in text


@pytest.mark.slow
def test_a_refused_model_is_said_to_be_refused_with_reasons_and_what_to_do() -> None:
    refused = inputs(STRICT)
    text = shown(render_report(refused))
    assert "✕ Refused 1 of 4 rules failed: Accuracy" in text
    for rule in refused.decision.rules:
        assert rule.reason[1:] in text
        assert advice(rule) in text


def test_every_rule_is_there_with_its_bound(text: str) -> None:
    for rule in inputs().decision.rules:
        assert rule.rule in text
        assert rule.bound in text


def test_the_data_is_there(text: str) -> None:
    for part in (
        "train 1,200 7 15.5 29",
        "test 60 – – –",
        "400 33.3%",
        "2 of 1,282 rows were invalid",
        "2: not JSON (first: train.jsonl:17 )",
        "Missing values: pressure 17.",
        "Vocabulary sizes: word 1,234.",
        "data/train.jsonl by id 1.23 MB a1a1a1a1a1a1a1a1…",
        "d2" * 32,
    ):
        assert part in text


def test_config_versions_and_commands_are_there(text: str) -> None:
    for part in ("label: <none>", "tensorflow 2.21.0", "Compare the last runs. rnnflow compare"):
        assert part in text


def test_the_champion_is_shown_as_a_table_of_four(text: str) -> None:
    assert "Candidate right 40 6 Candidate wrong 5 9" in text


@pytest.mark.parametrize(
    ("champion", "sentence"),
    [
        (None, "There is no champion yet"),
        (dataclasses.replace(CHAMPION, same_model=True), "is the champion itself (version 3)"),
        (
            IncomparableChampion(3, "it cannot read <4> rows", same_model=False),
            "Version 3 could not be compared with: It cannot read <4> rows.",
        ),
    ],
)
def test_without_another_champion_there_is_no_table(
    champion: Comparison | None, sentence: str
) -> None:
    report = dataclasses.replace(inputs(), champion_metrics=champion, history=(), predictions=None)
    text = shown(render_report(report))
    assert sentence in text
    assert "Candidate right" not in text


@pytest.mark.slow
def test_labels_that_the_champion_does_not_know_are_named() -> None:
    lacking = dataclasses.replace(CHAMPION, unknown_to_champion={"new": 5, "newer": 0})
    text = shown(render_report(dataclasses.replace(inputs(), champion_metrics=lacking)))
    assert "The champion does not know new (5 examples), newer (0 examples)." in text
    assert "The candidate does not know" not in text


def test_the_page_refers_to_nothing_outside_and_runs_nothing(page: str) -> None:
    parsed = _Page(page)
    assert not parsed.open
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    addresses = [
        value
        for _, attributes in parsed.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href") and value
    ]
    outside = [value for value in addresses if not value.startswith(("#", "data:"))]
    assert outside == []
    assert not re.search(r"@import|url\((?!#)", page)


def test_what_comes_from_the_data_is_text_and_never_markup(page: str) -> None:
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.slow
def test_the_same_inputs_give_the_same_page_and_it_is_small(page: str) -> None:
    assert page == render_report(inputs())
    assert len(page) < 200_000


def test_little_is_enough_for_a_page() -> None:
    bare = dataclasses.replace(
        inputs(),
        statistics={},
        champion_metrics=None,
        history=(),
        model_step=None,
        predictions=None,
        versions={},
        commands=(),
    )
    text = shown(render_report(bare))
    assert "Promoted" in text
    for absent in ("Splits", "Most confident errors", "Learning curves", "Next steps"):
        assert absent not in text


def test_a_model_that_has_diverged_can_be_shown() -> None:
    unknown = Interval(math.nan, math.nan, math.nan)
    metrics = reaching(average_loss=unknown, ece=unknown)
    decision = decide(metrics, None, GATE)
    text = shown(
        render_report(dataclasses.replace(inputs(), metrics=metrics, decision=decision, history=()))
    )
    assert "Average loss not a number 95 %: not known" in text
    assert "Training has diverged" in text


def test_of_many_classes_the_worst_are_shown() -> None:
    classes = tuple(f"class-{i:03}" for i in range(80))
    table = predictions(classes, examples=240)
    metrics = score(table, classes, predictions_path="p", digest="d")
    gate = GateConfig(min_examples=10, champion=LENIENT, per_class=PerClassFloor(min_support=0))
    report = dataclasses.replace(
        inputs(),
        metrics=metrics,
        predictions=None,
        history=(),
        champion_metrics=None,
        decision=decide(metrics, None, gate),
    )
    text = shown(render_report(report))
    assert "the 30 with the lowest recall" in text
    worst = min(metrics.per_class, key=lambda each: each.recall.value)
    assert f"{worst.label} {worst.support}" in text


def test_confusions_come_largest_first_and_only_where_there_are_any() -> None:
    metrics = dataclasses.replace(METRICS, confusion=((9, 1, 0), (4, 9, 2), (0, 0, 9)))
    pairs = [(pair.label, pair.predicted, pair.count) for pair in largest_confusions(metrics)]
    assert pairs == [("b", "a", 4), ("b", LABELS[2], 2), ("a", "b", 1)]


def test_a_cheap_model_is_shown_beside_the_candidate() -> None:
    baseline = BaselineMetrics(
        "forest", "a random forest", METRICS, Pairs(40, 6, 5, 9), 1200, "a", 0.333
    )
    text = shown(render_report(dataclasses.replace(inputs(), baseline=baseline)))
    assert "Against a cheap model" in text
    assert "is a random forest, trained on 1,200 rows and scored on the same test rows" in text
    assert "Always answering a, the commonest label, is right for 0.333 of them" in text
    assert "Against a cheap model" not in shown(render_report(inputs()))


def test_errors_come_most_confident_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4]])
    table = PredictionTable(("1", "2", "3", "4"), ("a", "a", "z", "a"), ("a", "b"), probabilities)
    seen = [(each.id, each.confidence, each.probability) for each in most_confident_errors(table)]
    assert seen == [("3", 0.8, 0.0), ("2", 0.7, 0.3)]


def test_a_smaller_loss_is_better_and_a_smaller_accuracy_worse() -> None:
    theirs = reaching(accuracy=Interval(0.999, 0.9, 1), average_loss=Interval(5.0, 4, 6))
    rows = side_by_side(METRICS, theirs)
    better = {row.name: row.better for row in rows}
    assert (better["accuracy"], better["macro-F1"], better["average loss"]) == (False, None, True)


def test_a_report_on_steps_counts_steps_and_compares_rows() -> None:
    flat = predictions()
    table = StepPredictions(
        tuple(f"row-{i}" for i in range(20)), flat.labels, LABELS, flat.probabilities, (3,) * 20
    )
    metrics = score(table, LABELS, predictions_path="p", digest="d")
    champion = dataclasses.replace(
        CHAMPION, metrics=metrics, paired_rows=PairedRows(0.0375, 4, 2, 0.8, 0.2, 0.5)
    )
    page = render_report(
        dataclasses.replace(
            inputs(), metrics=metrics, champion_metrics=champion, predictions=table,
            decision=decide(metrics, champion, GATE),
        )
    )  # fmt: skip
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "On 20 test examples of 60 steps, which training never saw." in text
    assert "right differs by +0.0375 on average, with the candidate ahead on 4 rows" in text
    assert "Segment edit score" in text
    assert "Class Steps Recall" in text
    error = most_confident_errors(table)[0]
    assert f"{error.id} , step {error.step}" in text


def test_the_reference_and_how_often_the_rows_were_used_are_told() -> None:
    before = inputs()
    reference = dataclasses.replace(CHAMPION, version=2)
    decision = dataclasses.replace(before.decision, candidates_on_these_rows=7)
    report = dataclasses.replace(before, reference_metrics=reference, decision=decision)
    text = shown(render_report(report))
    assert "Version 2 is the reference" in text
    assert "7 candidates have been held against these very test rows" in text
    assert "is the reference" not in shown(render_report(before))


LONG = "a_name_of_a_customer_that_is_much_longer_than_a_telephone_is_wide_without_any_blank"


def full() -> ReportInputs:
    """A report with all that there can be, and names that are hard to set."""
    random = np.random.default_rng(2)
    odds = TABLE.probabilities * np.exp(random.normal(0, 2.5, TABLE.probabilities.shape))
    theirs = dataclasses.replace(TABLE, probabilities=odds / odds.sum(axis=1, keepdims=True))
    rows = {
        "customer: A": range(0, 40),
        f"customer: {LONG}": range(40, 58),
        "length: part 1 of 2": range(20, 60),
        "customer: few": range(58, 60),
    }
    slices = Slices(
        (
            *(
                measure_slice(name, "3 to 17", 0, np.array(list(of)), TABLE, theirs)
                for name, of in rows.items()
            ),
            SliceMetrics("long and red", "", 1, 0),
        )
    )
    gate = dataclasses.replace(
        STRICT,
        slices=(
            SliceConfig(
                by="length", quantiles=2, min_rows=10, no_worse_than_champion=True,
                bounds={"accuracy": Bound(min=0.95)},
            ),
            SliceConfig(where="length > 99", name="long and red"),
        ),
    )  # fmt: skip
    both = TABLE.correct & theirs.correct
    champion = ChampionMetrics(
        version=3,
        metrics=score(theirs, LABELS, predictions_path="q", digest="e"),
        both_correct=int(both.sum()),
        only_candidate_correct=int((TABLE.correct & ~theirs.correct).sum()),
        only_champion_correct=int((~TABLE.correct & theirs.correct).sum()),
        both_wrong=int((~TABLE.correct & ~theirs.correct).sum()),
        same_model=False,
    )
    return dataclasses.replace(
        inputs(),
        champion_metrics=champion,
        champion_predictions=theirs,
        decision=decide(METRICS, champion, gate, slices=slices),
        slices=slices,
        temperature=1.7,
        scales_temperature=True,
        baseline=BaselineMetrics(
            "forest", "a random forest", METRICS, Pairs(40, 6, 5, 9), 1200, "a", 0.333
        ),
        lineage=(
            LineageStep("Data", "d2" * 32, "the content of all files"),
            LineageStep("Model", "ab" * 32, "step 1,200, temperature 1.7"),
            LineageStep("Version", "4", "in the registry"),
        ),
        since_champion=SinceChampion(
            3,
            "20260131-235959-1a2b",
            (Change("data digest", "0" * 12, "d2" * 6), Change("code of model", "a1", "b2")),
            (Change(f"features.context.{LONG}.kind", "not set", "categorical <b>"),),
        ),
    )


@pytest.fixture(scope="module")
def full_text() -> str:
    return shown(render_report(full()))


def test_slices_are_ranked_by_what_the_candidate_loses(full_text: str) -> None:
    report = full()
    judged = {rule.slice_name for rule in report.decision.rules if rule.slice_name}
    failed = {
        rule.slice_name for rule in report.decision.rules if rule.slice_name and not rule.passed
    }
    assert failed
    assert f"{len(failed)} of {len(judged)} that were judged fail." in full_text
    assert report.slices is not None
    ranked = [row.name for row in slice_rows(report.slices, report.decision)]
    section = full_text.partition(" Slices ")[2]
    places = [section.index(name) for name in ranked]
    assert places == sorted(places)
    assert "not judged" in section
    assert "Slices Parts of the test rows" not in shown(render_report(inputs()))


def test_the_answers_that_changed_are_listed_the_lost_ones_first(full_text: str) -> None:
    report = full()
    assert report.predictions is not None
    assert report.champion_predictions is not None
    found = changed_answers(report.predictions, report.champion_predictions)
    assert f"Answers that changed ({len(found.shown)} of {found.count})" in full_text
    assert len(found.shown) == 20 < found.count
    first = found.shown[0]
    assert first.who_is_right == "champion"
    assert f"{first.id} {first.label} {first.champion}" in full_text
    same = dataclasses.replace(report, champion_predictions=TABLE)
    assert "Both models give the same answers." in shown(render_report(same))


def test_calibration_is_shown_before_and_after_the_temperature(full_text: str) -> None:
    before = overall(without_temperature(TABLE, 1.7))
    ece, loss = f"{before['ece'].value:.4f}", f"{before['average_loss'].value:.4f}"
    assert f"Before, at a temperature of 1: ECE {ece}, loss {loss}." in full_text
    after = f"{METRICS.overall['ece'].value:.4f}"
    assert f"After, at a temperature of 1.7, as the model serves: ECE {after}, loss" in full_text
    alone = dataclasses.replace(inputs(), scales_temperature=True)
    assert "No temperature was better than 1" in shown(render_report(alone))
    assert "Without training.temperature_scaling" in shown(render_report(inputs()))


def test_the_lineage_leads_from_the_data_to_the_version(full_text: str) -> None:
    parts = [
        full_text.index(part)
        for part in ("Data d2d2d2d2d2d2 the content", "Model abab", "Version 4")
    ]
    assert parts == sorted(parts)


def test_what_has_changed_since_the_champions_run_is_listed(full_text: str) -> None:
    assert "Version 3 was made by run 20260131-235959-1a2b ." in full_text
    assert f"code of model a1 b2 Setting Champion's run This run features.context.{LONG}.kind" in (
        full_text
    )


@pytest.mark.parametrize(
    ("since", "says"),
    [
        (SinceChampion(3), "The run that made version 3 is not in this work directory"),
        (SinceChampion(3, "r"), "Data, code and packages are the same. The config is the same."),
        (SinceChampion(3, "r", has_facts=False), "That run left no lineage.json"),
    ],
)
def test_what_is_not_known_of_the_champions_run_is_said(since: SinceChampion, says: str) -> None:
    report = dataclasses.replace(inputs(), since_champion=since, predictions=None, history=())
    assert says in shown(render_report(report))


def test_the_threshold_is_shown_with_what_lies_beside_it() -> None:
    points = [CurvePoint(0.2, 0.5, 0.9, 0.64), CurvePoint(0.5, 0.8, 0.4, 0.53)]
    threshold = Threshold("yes", 0.31, "f_beta", CurvePoint(0.31, 0.6, 0.8, 0.69), tuple(points),
                          rows=90, positives=11)  # fmt: skip
    text = shown(render_report(dataclasses.replace(inputs(), threshold=threshold)))
    assert "yes is answered where its probability is 0.3100 or more" in text
    assert "chosen on 90 validation rows, by f_beta; 11 of the answers to them are yes" in text
    for words in ("the next lower 0.2000 0.500 0.900", "the usual one 0.5000 0.800 0.400"):
        assert words in text
    none = dataclasses.replace(threshold, value=0.5, note="no validation answer has the label 'y'")
    text = shown(render_report(dataclasses.replace(inputs(), threshold=none)))
    assert "Nothing could be chosen: No validation answer has the label" in text


def test_costs_and_repeated_contents_are_told() -> None:
    costs = PairedRows(0.0125, 30, 20, 0.9, 0.1, 4.0, costs_digest="c")
    champion = dataclasses.replace(CHAMPION, paired_costs=costs)
    told = "2 test rows have the content of a row in another split"
    statistics = STATISTICS | {"repeated_content": {"rows": {"test": 2}, "told": told}}
    report = dataclasses.replace(inputs(), champion_metrics=champion, statistics=statistics)
    text = shown(render_report(report))
    assert "differ by +0.0125 of the largest cost on average" in text
    assert f"{told}." in text
