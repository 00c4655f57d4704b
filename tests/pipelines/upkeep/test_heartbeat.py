from __future__ import annotations

import threading

from pipelines.upkeep.heartbeat import heartbeat


def test_it_beats_until_the_block_is_left_whatever_a_server_answers() -> None:
    beats: list[int] = []
    thrice = threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) == 3:
            thrice.set()
        raise ConnectionError

    with heartbeat(beat, every_seconds=0.01):
        assert thrice.wait(60)
    for thread in threading.enumerate():
        if thread.name == "heartbeat":
            thread.join(60)
            assert not thread.is_alive()
