"""A call that waits for others of its kind."""

from __future__ import annotations

import threading

from components.tracking.background_sender import Lingering

LONG_SECONDS = 60.0


def test_a_wish_is_granted_by_another_thread() -> None:
    callers: list[threading.Thread] = []
    called = threading.Event()

    def note() -> None:
        callers.append(threading.current_thread())
        called.set()

    lingering = Lingering(note, 0.0)
    lingering.want()
    assert called.wait(LONG_SECONDS)
    lingering.close()
    assert threading.current_thread() not in callers


def test_nothing_is_called_that_nobody_wants() -> None:
    calls: list[None] = []
    Lingering(lambda: calls.append(None), 0.0).close()
    assert calls == []


def test_a_wish_that_still_waits_is_not_granted_after_the_end() -> None:
    calls: list[None] = []
    lingering = Lingering(lambda: calls.append(None), LONG_SECONDS)
    lingering.want()
    lingering.close()
    assert calls == []


def test_what_is_wanted_during_a_call_makes_another_one() -> None:
    first, go_on, second = threading.Event(), threading.Event(), threading.Event()
    calls = iter([first, second])

    def call() -> None:
        next(calls).set()
        go_on.wait(LONG_SECONDS)

    lingering = Lingering(call, 0.0)
    lingering.want()
    assert first.wait(LONG_SECONDS)
    lingering.want()
    go_on.set()
    assert second.wait(LONG_SECONDS)
    lingering.close()


def test_an_error_ends_it_without_a_word() -> None:
    called = threading.Event()

    def fail() -> None:
        called.set()
        raise OSError("The disk is full.")

    lingering = Lingering(fail, 0.0)
    lingering.want()
    assert called.wait(LONG_SECONDS)
    lingering.close()
