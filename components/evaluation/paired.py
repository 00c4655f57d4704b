"""Two models on the same examples: which is better, tested, and in words."""

from __future__ import annotations

from components.artifacts.values import PairedRows
from components.evaluation.wording import count_of_rows, distinct, times


def mcnemar_worse(only_candidate_correct: int, only_champion_correct: int) -> float:
    """One-sided exact McNemar test that the candidate is worse than the champion.

    If both were equally good, each example on which exactly one of them is right would fall to
    either side like a fair coin. The p-value is the chance that the candidate then wins as few
    of these examples as it did, or fewer: sum over i <= b of C(b + c, i) / 2^(b + c), where b and
    c are the two arguments (Q. McNemar, Psychometrika 12, 1947, with the exact binomial tail).

    The test that the candidate is better is the same with the two arguments swapped.
    """
    trials = only_candidate_correct + only_champion_correct
    # In whole numbers, which are exact: term is C(n, i), made from C(n, i - 1), and tail their sum.
    term = tail = 1
    for i in range(only_candidate_correct):
        term = term * (trials - i) // (i + 1)
        tail += term
    return tail / (1 << trials)


def paired(
    ours: int, theirs: int, require: str, alpha: float, other: str, rows: PairedRows | None
) -> tuple[bool, float, str, str]:
    """Holds two models against each other by the examples on which exactly one of them is right.

    Args:
        ours: how often it is the candidate.
        theirs: how often it is the other one.
        require: ``significantly_better``, or that it is not significantly worse.
        alpha: the significance level.
        other: a short name of the other one.
        rows: where a row has many answers, what is tested instead of the two counts.

    Returns:
        Whether it passed, the p-value, the bound, and the reason with ``{other}`` for a long name.
    """
    # Better: that the other one alone is right so seldom is hardly chance. Not worse: that the
    # candidate alone is right so seldom may well be chance. So the burden of proof changes sides.
    better, worse, test = tested(ours, theirs, rows)
    if require == "significantly_better":
        p = better
        passed, bound = p <= alpha, f"p at most {alpha:.4g}"
        verdict = "significantly better than" if passed else "not significantly better than"
    else:
        p = worse
        passed, bound = p > alpha, f"p above {alpha:.4g}"
        verdict = "not significantly worse than" if passed else "significantly worse than"
    pairs = pairs_in_words(ours, theirs, other, rows)
    p_text = distinct(p, alpha)[0]
    return passed, p, bound, f"{verdict} {{other}}: {pairs} ({test}, p = {p_text})"


def tested(ours: int, theirs: int, rows: PairedRows | None) -> tuple[float, float, str]:
    """The p-values that the candidate is better, and that it is worse; and the name of the test."""
    if rows:
        return rows.p_better, rows.p_worse, "sign-flip permutation test of the rows"
    return mcnemar_worse(theirs, ours), mcnemar_worse(ours, theirs), "exact McNemar test"


def pairs_in_words(ours: int, theirs: int, other: str, rows: PairedRows | None) -> str:
    """How two models differ; the arguments are those of ``paired``."""
    if rows is None:
        return (
            f"where exactly one of them is right, it is the candidate {times(ours)} and {other} "
            f"{times(theirs)}"
            if ours or theirs
            else "both are right on the same examples"
        )
    if rows.costs_digest:
        return (
            f"the candidate's answers to a row cost {100 * abs(rows.mean_difference):.3g} % of the "
            f"largest cost {'less' if rows.mean_difference >= 0 else 'more'} on average; the "
            f"candidate costs less on {count_of_rows(rows.candidate_ahead)}, {other} on "
            f"{count_of_rows(rows.other_ahead)}"
        )
    points = 100 * rows.mean_difference
    return (
        f"the share of a row's steps that are right differs by {points:+.3g} points on average; "
        f"the candidate is ahead on {count_of_rows(rows.candidate_ahead)}, {other} on "
        f"{count_of_rows(rows.other_ahead)}"
    )
