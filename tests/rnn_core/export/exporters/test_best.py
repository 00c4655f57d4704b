"""The exporter of the best evaluation."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, cast

import pytest

from rnn_core import ArgumentError, BestExporter
from rnn_core.export.methods import ExportMethods
from tests.rnn_core.export.exporters.samples import RecordingEstimator, names, receiver


class Run:
    """One process: evaluations, each followed by the exporter, as in ``train_and_evaluate``."""

    def __init__(self, model_dir: Path, **arguments: Any) -> None:
        self.estimator = RecordingEstimator(model_dir)
        self.exporter = BestExporter(serving_input_receiver_fn=receiver, **arguments)
        self.directory = model_dir / "export" / self.exporter.name

    def evaluate(self, step: int, **metrics: float) -> bool:
        """Whether the evaluation was exported."""
        self.estimator.write_evaluation(step, metrics)
        self.estimator.asked += [()] * (step - len(self.estimator.asked))
        result = {**metrics, "global_step": step}
        path = self.exporter.export(
            cast(ExportMethods, self.estimator),
            str(self.directory),
            f"model.ckpt-{step}",
            result,
            False,
        )
        return path is not None


def test_only_a_smaller_loss_is_exported(tmp_path: Path) -> None:
    run = Run(tmp_path)
    losses = [3.0, 4.0, 3.0, 2.0]
    assert [run.evaluate(step, loss=loss) for step, loss in enumerate(losses)] == [
        True,
        False,
        False,
        True,
    ]
    assert run.directory.name == "best_exporter"
    assert len(names(run.directory)) == 2


def test_the_best_is_remembered_across_restarts(tmp_path: Path) -> None:
    assert Run(tmp_path).evaluate(1, loss=2.0)
    assert not Run(tmp_path).evaluate(2, loss=3.0)
    assert Run(tmp_path).evaluate(3, loss=1.0)


def test_without_event_files_a_restart_exports_anew(tmp_path: Path) -> None:
    assert Run(tmp_path).evaluate(1, loss=2.0)
    assert Run(tmp_path, event_file_pattern=None).evaluate(2, loss=3.0)


def test_the_event_files_may_be_those_of_a_named_evaluation(tmp_path: Path) -> None:
    run = Run(tmp_path, event_file_pattern="eval_test/*.tfevents.*")
    run.estimator.write_evaluation(1, {"loss": 2.0}, "eval_test")
    (run.directory / "1600000000").mkdir(parents=True)
    assert not run.evaluate(2, loss=3.0)


def test_an_evaluation_is_exported_if_nothing_is_yet(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.estimator.write_evaluation(1, {"loss": 2.0})
    assert run.evaluate(2, loss=3.0)


def test_better_is_what_the_function_says(tmp_path: Path) -> None:
    def more_accurate(best_eval_result: Any, current_eval_result: Any) -> bool:
        return bool(current_eval_result["accuracy"] > best_eval_result["accuracy"])

    run = Run(tmp_path, compare_fn=more_accurate)
    values = [0.5, 0.4, 0.6]
    exported = [run.evaluate(step, accuracy=value) for step, value in enumerate(values)]
    assert exported == [True, False, True]


def test_the_oldest_of_too_many_exports_are_deleted(tmp_path: Path) -> None:
    run = Run(tmp_path, exports_to_keep=1)
    assert all(run.evaluate(step, loss=9.0 - step) for step in range(3))
    assert len(names(run.directory)) == 1


def test_an_evaluation_without_a_loss_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.evaluate(1, loss=2.0)
    with pytest.raises(ArgumentError, match="current_eval_result: expected metrics with loss"):
        run.evaluate(2, accuracy=0.5)


@pytest.mark.parametrize("compare", [None, lambda best, current: True, lambda best_eval_result: 1])
def test_a_compare_function_takes_the_two_results_by_name(compare: Any) -> None:
    with pytest.raises(ArgumentError, match="best_eval_result and current_eval_result"):
        BestExporter(compare_fn=compare)


def test_a_number_of_exports_must_be_positive() -> None:
    with pytest.raises(ArgumentError, match="exports_to_keep"):
        BestExporter(exports_to_keep=0)


def better(best_eval_result: Any, current_eval_result: Any, key: str = "loss") -> bool:
    return bool(current_eval_result[key] > best_eval_result[key])


def better_by_keyword(best_eval_result: Any, current_eval_result: Any, *, key: str = "auc") -> bool:
    return better(best_eval_result, current_eval_result, key)


@pytest.mark.parametrize("compare_fn", [functools.partial(better, key="auc"), better_by_keyword])
def test_a_compare_function_may_have_arguments_bound(tmp_path: Path, compare_fn: Any) -> None:
    run = Run(tmp_path, compare_fn=compare_fn)
    values = [0.5, 0.4, 0.6]
    assert [run.evaluate(step, auc=value) for step, value in enumerate(values)] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("compare_fn", "message"),
    [
        (better, "also takes key"),
        (functools.partial(better, key="loss", best_eval_result={"loss": 1}), "bound already"),
    ],
)
def test_a_compare_function_that_is_given_too_much_or_too_little(
    compare_fn: Any, message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        BestExporter(compare_fn=compare_fn)
