"""Evaluations of checkpoints, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rnn_core
from rnn_core.estimators.checkpoint_evaluation import CheckpointEvaluation
from tests.rnn_core.samples import Data, make_estimator


class Exports(rnn_core.Exporter):
    def __init__(self) -> None:
        self.finals: list[bool] = []

    @property
    def name(self) -> str:
        return "exports"

    def export(self, *arguments: Any) -> str:
        self.finals.append(arguments[4])
        return arguments[1]


@pytest.fixture(scope="module")
def trained(data: Data, tmp_path_factory: pytest.TempPathFactory) -> rnn_core.RNNClassifier:
    estimator = make_estimator(tmp_path_factory.mktemp("trained"))
    estimator.train(data.train_input, max_steps=4)
    return estimator


def _evaluation(
    trained: rnn_core.RNNClassifier, data: Data, name: str, **spec: Any
) -> tuple[CheckpointEvaluation, Exports]:
    exports = Exports()
    chosen = {"start_delay_secs": 0, "throttle_secs": 0, **spec}
    evaluated = rnn_core.EvalSpec(data.eval_input, name=name, exporters=exports, **chosen)
    return CheckpointEvaluation(trained, evaluated, 4), exports


@pytest.mark.slow
def test_what_was_evaluated_is_remembered_on_disk(
    trained: rnn_core.RNNClassifier, data: Data
) -> None:
    first, _ = _evaluation(trained, data, "remembered")
    assert not first.was_evaluated(4)
    first.evaluate(str(trained.latest_checkpoint()), False)
    assert _evaluation(trained, data, "remembered")[0].was_evaluated(4)


def test_the_last_export_is_final_and_made_once(
    trained: rnn_core.RNNClassifier, data: Data
) -> None:
    evaluation, exports = _evaluation(trained, data, "final")
    evaluation.evaluate(str(trained.latest_checkpoint()), False)
    evaluation.finish()
    evaluation.finish()
    assert exports.finals == [False, True]
    assert evaluation.exports == [str(Path(trained.model_dir) / "export" / "exports")]


def test_delay_and_pause_are_kept(trained: rnn_core.RNNClassifier, data: Data) -> None:
    late, _ = _evaluation(trained, data, "late", start_delay_secs=1000)
    assert not late.is_time()
    paused, _ = _evaluation(trained, data, "paused", throttle_secs=1000)
    assert paused.is_time()
    paused.evaluate(str(trained.latest_checkpoint()), False)
    assert not paused.is_time()


def test_the_last_step_is_known(trained: rnn_core.RNNClassifier, data: Data) -> None:
    evaluation, _ = _evaluation(trained, data, "steps")
    assert evaluation.is_final(4)
    assert not evaluation.is_final(3)
