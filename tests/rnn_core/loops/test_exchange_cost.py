"""When many workers are slower than one."""

from __future__ import annotations

import logging

import pytest

from rnn_core.distribution.replicas import OneReplica
from rnn_core.loops.exchange_cost import ExchangeCost, exchange_seconds, is_slower_than_one
from rnn_core.loops.trainable_model import TrainableModel
from tests.rnn_core.samples import make_estimator


@pytest.mark.parametrize(
    ("step", "exchange", "workers", "slower"),
    [(3.0, 1.0, 2, False), (2.0, 1.1, 2, True), (2.0, 0.9, 2, False), (4.0, 2.9, 4, False)],
)
def test_workers_pay_off_if_the_exchange_is_less_than_what_they_save(
    step: float, exchange: float, workers: int, slower: bool
) -> None:
    assert is_slower_than_one(step, exchange, workers) == slower


def test_an_exchange_is_timed() -> None:
    assert exchange_seconds(OneReplica(), 10) > 0


def test_one_worker_has_nothing_to_judge(caplog: pytest.LogCaptureFixture, tmp_path: str) -> None:
    caplog.set_level(logging.INFO, "rnn_core")
    cost = ExchangeCost(TrainableModel(make_estimator(tmp_path).new_model("train")))
    for _ in range(5):
        cost.judge(1.0)
    assert "exchange" not in caplog.text
