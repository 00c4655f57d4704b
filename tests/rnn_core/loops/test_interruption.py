"""SIGTERM during a training."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from rnn_core.loops.interruption import EXIT_STATUS, Interrupted, Interruption


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_is_noted_and_nothing_else() -> None:
    with Interruption() as interruption:
        assert not interruption.requested
        signal.raise_signal(signal.SIGTERM)
        assert interruption.requested


def test_afterwards_the_handler_is_the_one_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_without_a_handler_the_process_ends_with_143() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Interruption() as interruption, pytest.raises(SystemExit) as ended:
        interruption.leave()
    assert ended.value.code == EXIT_STATUS == 143


def test_a_handler_of_the_caller_has_the_last_word() -> None:
    called: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: called.append(number))
    with Interruption() as interruption, pytest.raises(SystemExit):
        interruption.leave()
    assert called == [signal.SIGTERM]


def test_what_is_all_saved_need_not_end_first() -> None:
    with Interruption() as interruption:
        with pytest.raises(Interrupted), interruption.all_saved():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted), interruption.all_saved():
            pytest.fail("it was requested before")


def test_another_thread_gets_no_signals() -> None:
    seen: list[bool] = []

    def run() -> None:
        with Interruption() as interruption:
            seen.append(interruption.requested)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [False]
