"""Hooks that log, write event files and profile."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core.storage.summaries import read_events
from tests.rnn_core.samples import Data, make_estimator

BIAS = "rnn_model/logits/bias"


class Collector:
    """What ``tf.compat.v1.summary.FileWriter`` is to a hook."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def add_summary(self, summary: Any, step: int) -> None:
        self.seen.append((summary.value[0].tag, step))


@pytest.fixture(scope="module")
def reported(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Seven steps with every reporting hook; the lines of the log, the directory, a collector."""
    directory = tmp_path_factory.mktemp("reported")
    collector = Collector()
    writer = tf.summary.create_file_writer(str(directory / "given"))
    hooks = [
        rnn_core.LoggingTensorHook(["loss", "global_step"], every_n_iter=3),
        rnn_core.LoggingTensorHook(
            {"b": BIAS, "a": "loss"}, at_end=True, formatter=lambda values: "/".join(values)
        ),
        rnn_core.StepCounterHook(every_n_steps=2, output_dir=str(directory / "rate")),
        rnn_core.StepCounterHook(every_n_steps=None, every_n_secs=3600, summary_writer=collector),
        rnn_core.SummarySaverHook(3, output_dir=str(directory / "own"), summary_op="loss"),
        rnn_core.SummarySaverHook(4, summary_writer=collector, summary_op=["global_step"]),
        rnn_core.SummarySaverHook(
            save_steps=5, summary_writer=writer, summary_op=lambda c: {"half": c.global_step / 2}
        ),
        rnn_core.ProfilerHook(save_steps=3, output_dir=str(directory / "profile")),
    ]
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("rnn_core")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        make_estimator(directory).train(data.train_input, hooks=hooks, max_steps=7)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    return lines, directory, collector


@pytest.mark.slow
def test_values_are_logged_at_the_first_step_and_then_every_so_many(reported: Any) -> None:
    lines = [line for line in reported[0] if line.startswith("loss = ")]
    assert [line.partition("global_step = ")[2][:1] for line in lines] == ["1", "4", "7"]
    assert "sec)" not in lines[0]
    assert lines[1].endswith("sec)")


def test_a_formatter_makes_the_line_at_the_end(reported: Any) -> None:
    assert reported[0].count("a/b") == 1


def test_the_rate_is_logged_and_written(reported: Any) -> None:
    rates = read_events(str(reported[1] / "rate"))
    assert list(rates) == [3, 5, 7]
    assert all(values["global_step/sec"] > 0 for values in rates.values())
    assert len([line for line in reported[0] if line.startswith("global_step/sec: ")]) == 3


def test_summaries_are_written_by_name(reported: Any) -> None:
    own, training = (read_events(str(path)) for path in (reported[1] / "own", reported[1]))
    assert list(own) == [1, 4, 7]
    assert own[4] == {"loss": training[4]["loss"]}


def test_summaries_go_to_a_writer_that_is_given(reported: Any) -> None:
    assert reported[2].seen == [("global_step", 1), ("global_step", 5)]
    values = {
        event.step: float(tf.make_ndarray(value.tensor))
        for path in (reported[1] / "given").iterdir()
        for event in map(
            tf.compat.v1.Event.FromString, tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        )
        for value in event.summary.value
    }
    assert values == {1: 0.5, 6: 3.0}


def test_a_profile_is_taken_of_single_steps(reported: Any) -> None:
    steps = [line.split()[2] for line in reported[0] if line.startswith("Profiled step")]
    assert steps == ["3", "6"]
    assert list((reported[1] / "profile" / "plugins" / "profile").glob("*/*.xplane.pb"))


@pytest.mark.slow
def test_a_profile_whose_step_never_comes_is_ended(data: Data, tmp_path: Path) -> None:
    hook = rnn_core.ProfilerHook(save_steps=3, output_dir=str(tmp_path / "profile"))
    make_estimator(tmp_path).train(data.train_input, hooks=[hook], max_steps=2)
    tf.profiler.experimental.start(str(tmp_path / "free"))
    tf.profiler.experimental.stop(save=False)


@pytest.mark.slow
def test_values_are_logged_in_an_evaluation_by_the_clock(
    trained: rnn_core.RNNClassifier, words_input: Any
) -> None:
    shown: list[float] = []

    def show(values: dict[str, Any]) -> str:
        shown.append(values["loss"])
        time.sleep(0.02)
        return "shown"

    hook = rnn_core.LoggingTensorHook(["loss"], every_n_secs=0.01, formatter=show)
    whole = trained.evaluate(words_input, hooks=[hook], name="clock")
    assert len(shown) == 4
    assert np.mean(shown) == pytest.approx(whole["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnn_core.LoggingTensorHook(["loss"]), "steps or of seconds"),
        (lambda: rnn_core.LoggingTensorHook(["loss"], 1, 1.0), "steps or of seconds"),
        (lambda: rnn_core.LoggingTensorHook(["loss"], 0), "positive"),
        (lambda: rnn_core.StepCounterHook(10, 10), "steps or of seconds"),
        (lambda: rnn_core.SummarySaverHook(10), "summary_op"),
        (lambda: rnn_core.ProfilerHook(), "steps or of seconds"),
    ],
)
def test_arguments_are_checked(make: Any, message: str) -> None:
    with pytest.raises(rnn_core.ArgumentError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rnn_core.LoggingTensorHook([tf.constant(1.0)], 1), "subclass of rnn_core.Hook"),
        (lambda: rnn_core.SummarySaverHook(1, scaffold=object(), summary_op="loss"), "scaffold"),
        (lambda: rnn_core.SummarySaverHook(1, summary_op=tf.constant(b"")), "Name what it was"),
        (lambda: rnn_core.ProfilerHook(1, show_memory=True), "choose in TensorBoard"),
        (lambda: rnn_core.ProfilerHook(1, show_dataflow=False), "choose in TensorBoard"),
    ],
)
def test_what_needs_a_session_is_refused(make: Any, message: str) -> None:
    with pytest.raises(rnn_core.UnsupportedError, match=message):
        make()
