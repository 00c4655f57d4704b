"""One formula for "better" and "not worse by a margin", over one night or several."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.artifacts.values import Evidence, Look, RowSet
from components.evaluation import evidence
from components.evaluation.evidence import Levels, Sums
from components.evaluation.permutation import sign_flip_p
from components.gate_config import ChampionRule

ASKED = evidence.levels(ChampionRule())
COUNT = st.integers(0, 400)


def sums(ours: int, theirs: int, rows: int = 2_000) -> Sums:
    return Sums(rows, float(ours - theirs), float(ours + theirs))


def night(version: int, *marks: str, digest: str = "") -> Look:
    rows = RowSet(digest or "+".join(marks), marks)
    return Look(rows, f"of {marks}", (Evidence(version, 100, 3.0, 5.0),))


@given(COUNT, COUNT)
def test_better_is_mcnemars_test_and_hardly_ever_laxer_than_the_exact_one(
    ours: int, theirs: int
) -> None:
    if evidence.standard_errors(sums(ours, theirs)) >= ASKED.better:
        exact = stats.binomtest(ours, ours + theirs, 0.5, alternative="greater").pvalue
        assert exact <= 0.0101


def test_a_wrong_promotion_of_one_night_is_as_rare_as_alpha_says() -> None:
    for discordant in range(1, 400):
        ours = np.arange(discordant + 1)
        passed = evidence.standard_errors(
            Sums(2_000, 2.0 * ours - discordant, float(discordant))
        ) >= evidence.least_errors(0.05)
        assert stats.binom.pmf(ours[passed], discordant, 0.5).sum() <= 0.0505


def test_with_many_answers_a_row_it_is_the_sign_flip_test_in_its_normal_form() -> None:
    differences = np.random.default_rng(1).normal(0.02, 0.3, 900).clip(-1, 1)
    seen = Sums(900, differences.sum(), (differences**2).sum())
    exact = sign_flip_p(-differences)
    assert evidence.p_value(evidence.standard_errors(seen)) == pytest.approx(exact, rel=0.35)
    assert evidence.p_value(evidence.standard_errors(seen)) > exact


def test_two_models_that_never_differ_on_few_rows_may_differ_by_the_margin() -> None:
    """A model that is worse by a point hides it on 200 rows once in seven times."""
    never = evidence.standard_errors(sums(0, 0, 200), 0.01)
    assert evidence.p_value(never) == pytest.approx(0.99**200, abs=0.11)
    assert never < ASKED.year
    assert evidence.standard_errors(sums(0, 0, 20_000), 0.01) > ASKED.year


def test_one_night_on_which_the_candidate_falls_back_is_not_made_good_by_the_nights_before() -> (
    None
):
    bad, good = sums(40, 60), sums(400, 100, 6_000)
    assert evidence.standard_errors(good.plus(bad)) > ASKED.better
    assert not evidence.holds(bad, good.plus(bad), 0.0, ASKED.better)


def test_a_champion_that_is_old_is_replaced_within_the_margin_alone() -> None:
    alike = (sums(300, 300, 60_000),) * 2
    verdict = evidence.judge(alike, None, ASKED)
    assert not verdict.better
    assert not verdict.promotes(champion_is_old=False)
    assert verdict.promotes(champion_is_old=True)
    worse = (sums(300, 950, 60_000),) * 2
    assert not evidence.judge(worse, None, ASKED).promotes(champion_is_old=True)


def test_what_beats_the_champion_must_not_fall_behind_the_reference() -> None:
    better, behind = (sums(200, 100),) * 2, (sums(100, 130),) * 2
    assert evidence.judge(better, None, ASKED).promotes(champion_is_old=False)
    assert not evidence.judge(better, behind, ASKED).promotes(champion_is_old=False)


def test_the_reference_takes_more_evidence_than_the_champion() -> None:
    some = (sums(150, 100),) * 2
    verdict = evidence.judge(some, None, ASKED)
    assert (verdict.better, verdict.better_than_reference) == (True, False)


def test_nights_add_up_on_rows_of_their_own_alone() -> None:
    tonight, champion = RowSet("t", ("m",)), Evidence(1, 1000, 0.0, 0.0)
    looks = [night(1, "a"), night(2, "b"), night(1, "m"), night(1, "c"), night(1, "c")]
    assert len(evidence.nights_before(looks, champion, tonight)) == 2  # a, and c once
    assert evidence.nights_before(looks[2:3], champion, tonight) == []
    assert evidence.nights_before(looks, champion, None) == []
    many = [night(1, str(number)) for number in range(9)]
    assert len(evidence.nights_before(many, champion, tonight)) == evidence.NIGHTS - 1


def test_nights_that_were_compared_by_other_costs_do_not_add_up() -> None:
    tonight = RowSet("t", ("m",))
    looks = [night(1, "a"), night(1, "b")]
    by_cost = Evidence(1, 1000, 0.0, 0.0, costs_digest="c")
    assert evidence.nights_before(looks, by_cost, tonight) == []
    alike = [dataclasses.replace(looks[0], against=(by_cost,)), looks[1]]
    assert evidence.nights_before(alike, by_cost, tonight) == [by_cost]


def test_years_may_be_judged_at_once() -> None:
    nights = [sums(200, 100), sums(100, 100), sums(10, 90)]
    together = Sums(*(np.array(each) for each in zip(*nights, strict=True)))
    found = evidence.judge((together, together), None, ASKED).promotes(np.zeros(3, bool))
    alone = [evidence.judge((one, one), None, ASKED).promotes(False) for one in nights]
    assert found.tolist() == alone == [True, False, False]


def test_the_least_lead_is_the_first_that_is_promoted() -> None:
    seen = sums(60, 60)
    least = evidence.least_lead(seen, ASKED)
    for lead, promoted in ((least - 1, False), (least, True)):
        enough = Sums(seen.rows, float(lead), max(seen.squares, lead))
        verdict = evidence.judge((enough, enough), None, ASKED)
        assert verdict.promotes(champion_is_old=False) == promoted


@pytest.mark.parametrize(("points", "disagreement"), [(0.01, 0.05), (0.02, 0.2), (0.05, 0.1)])
def test_so_many_rows_promote_a_better_candidate_four_times_in_five(
    points: float, disagreement: float
) -> None:
    rows = evidence.rows_needed(points, disagreement, ASKED)
    shares = [(disagreement + points) / 2, (disagreement - points) / 2, 1 - disagreement]
    drawn = np.random.default_rng(1).multinomial(rows, shares, 4_000).T
    ours, theirs = drawn[0] * 1.0, drawn[1] * 1.0
    seen = Sums(np.full(4_000, float(rows)), ours - theirs, ours + theirs)
    verdict = evidence.judge((seen, seen), None, ASKED)
    assert verdict.promotes(np.zeros(4_000, bool)).mean() == pytest.approx(evidence.POWER, abs=0.03)
    least = evidence.least_difference(rows, disagreement, ASKED)
    assert least is not None
    assert least == pytest.approx(points, abs=0.0011)


def test_a_handful_of_rows_shows_nothing() -> None:
    assert evidence.least_difference(3, 0.5, ASKED) is None


def test_a_year_of_nights_keeps_its_error() -> None:
    assert evidence.p_value(ASKED.year) * 365 == pytest.approx(evidence.YEARLY_ERROR)
    assert Levels(*ASKED).margin == 0.01
