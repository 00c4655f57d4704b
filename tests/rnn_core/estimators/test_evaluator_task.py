"""An evaluator beside a training; ``distribution/test_failures`` shows it as a process."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import rnn_core
from rnn_core.distribution.heartbeat import Heartbeat
from rnn_core.estimators.checkpoint_evaluation import EVALUATOR_TASK, CheckpointEvaluation
from rnn_core.estimators.evaluator_task import evaluate_until_training_ends
from tests.rnn_core.samples import Data, make_estimator

pytestmark = pytest.mark.slow

LIMITS = {"worker_timeout_secs": 1, "session_creation_timeout_secs": 1}


class Finals(rnn_core.Exporter):
    """Remembers for each export whether it was the final one."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, bool]] = []

    @property
    def name(self) -> str:
        return "finals"

    def export(self, *arguments: Any) -> None:
        self.seen.append((arguments[3]["global_step"], arguments[4]))


def _evaluate(data: Data, directory: Path, max_steps: int | None) -> Finals:
    finals = Finals()
    spec = rnn_core.EvalSpec(data.eval_input, exporters=finals, start_delay_secs=0, throttle_secs=0)
    estimator = make_estimator(directory, config=LIMITS)
    evaluation = CheckpointEvaluation(estimator, spec, max_steps)
    evaluate_until_training_ends(estimator, evaluation, spec)
    return finals


@pytest.fixture
def trained(data: Data, tmp_path: Path) -> Path:
    make_estimator(tmp_path).train(data.train_input, max_steps=4)
    return tmp_path


def test_a_checkpoint_of_the_last_step_is_the_end(data: Data, trained: Path) -> None:
    assert _evaluate(data, trained, 4).seen == [(4, True)]


def test_what_the_chief_ends_with_is_final(data: Data, trained: Path) -> None:
    def train() -> None:
        with Heartbeat(str(trained), "chief-0").entered():
            time.sleep(0.5)

    chief = threading.Thread(target=train)
    chief.start()
    assert _evaluate(data, trained, None).seen == [(4, False), (4, True)]
    chief.join()


def test_a_chief_that_never_comes_is_not_waited_for_for_ever(data: Data, tmp_path: Path) -> None:
    with pytest.raises(rnn_core.WorkerLostError, match="no heartbeat of the chief"):
        _evaluate(data, tmp_path, 4)


def test_while_an_evaluator_is_at_work_the_training_leaves_it_all_to_it(
    data: Data, trained: Path
) -> None:
    estimator = make_estimator(trained)
    spec = rnn_core.EvalSpec(data.eval_input, start_delay_secs=0, throttle_secs=0)
    evaluation = CheckpointEvaluation(estimator, spec, 4)
    assert evaluation.is_time()
    with Heartbeat(str(trained), EVALUATOR_TASK).entered():
        assert not evaluation.is_time()
        evaluation.finish()
    assert evaluation.metrics == {}
    assert evaluation.is_time()
    evaluation.finish()
    assert evaluation.metrics["global_step"] == 4
