"""Calls on a background thread; requests share one."""

from __future__ import annotations

import threading

from components.tracking.background_sender import BackgroundSender

LONG_SECONDS = 60.0


def test_a_request_is_served_by_another_thread() -> None:
    callers: list[threading.Thread] = []
    called = threading.Event()

    def note() -> None:
        callers.append(threading.current_thread())
        called.set()

    sender = BackgroundSender(note, 0.0)
    sender.request()
    assert called.wait(LONG_SECONDS)
    sender.close()
    assert threading.current_thread() not in callers


def test_without_a_request_nothing_is_called() -> None:
    calls: list[None] = []
    BackgroundSender(lambda: calls.append(None), 0.0).close()
    assert calls == []


def test_a_request_that_still_waits_is_dropped_at_the_end() -> None:
    calls: list[None] = []
    sender = BackgroundSender(lambda: calls.append(None), LONG_SECONDS)
    sender.request()
    sender.close()
    assert calls == []


def test_a_request_during_a_call_leads_to_another_one() -> None:
    first, go_on, second = threading.Event(), threading.Event(), threading.Event()
    calls = iter([first, second])

    def call() -> None:
        next(calls).set()
        go_on.wait(LONG_SECONDS)

    sender = BackgroundSender(call, 0.0)
    sender.request()
    assert first.wait(LONG_SECONDS)
    sender.request()
    go_on.set()
    assert second.wait(LONG_SECONDS)
    sender.close()


def test_an_error_ends_it_silently() -> None:
    called = threading.Event()

    def fail() -> None:
        called.set()
        raise OSError("The disk is full.")

    sender = BackgroundSender(fail, 0.0)
    sender.request()
    assert called.wait(LONG_SECONDS)
    sender.close()
