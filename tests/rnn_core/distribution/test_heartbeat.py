"""What workers say of themselves in files."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from rnn_core.distribution.heartbeat import Heartbeat, HeartbeatWatcher, read_state, stalled_tasks


def test_a_task_says_that_it_runs_and_then_that_it_is_done(tmp_path: Path) -> None:
    heartbeat = Heartbeat(str(tmp_path), "worker-1")
    with heartbeat.entered():
        assert read_state(heartbeat.directory, "worker-1") == "running"
    assert read_state(heartbeat.directory, "worker-1") == "done"


def test_an_error_makes_it_fail(tmp_path: Path) -> None:
    heartbeat = Heartbeat(str(tmp_path), "worker-1")
    with pytest.raises(KeyboardInterrupt), heartbeat.entered():
        raise KeyboardInterrupt
    assert read_state(heartbeat.directory, "worker-1") == "failed"


def test_nobody_leaves_before_the_others_are_done(tmp_path: Path) -> None:
    first, second = (Heartbeat(str(tmp_path), f"worker-{index}") for index in range(2))
    left: list[str] = []

    def leave(heartbeat: Heartbeat, name: str) -> None:
        heartbeat.leave_together("done", ["worker-0", "worker-1"], 20)
        left.append(name)

    with first.entered(), second.entered():
        waiting = threading.Thread(target=leave, args=(first, "first"))
        waiting.start()
        time.sleep(0.2)
        assert left == []
        leave(second, "second")
        waiting.join()
    assert sorted(left) == ["first", "second"]


def test_a_task_that_failed_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Heartbeat(str(tmp_path), "worker-1").entered():
        raise RuntimeError
    heartbeat = Heartbeat(str(tmp_path), "worker-0")
    with heartbeat.entered():
        heartbeat.leave_together("done", ["worker-0", "worker-1"], 20)
    assert read_state(heartbeat.directory, "worker-0") == "done"


def test_waiting_for_others_has_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heartbeat, other = (Heartbeat(str(tmp_path), f"worker-{index}") for index in range(2))
    with other.entered(), heartbeat.entered():
        heartbeat.leave_together("done", ["worker-1"], 0.2)
    assert "although worker-1 still run" in caplog.text


def test_a_watch_tells_news_from_what_an_earlier_run_left(tmp_path: Path) -> None:
    with Heartbeat(str(tmp_path), "chief-0").entered():
        pass
    watcher = HeartbeatWatcher(str(tmp_path), "chief-0")
    assert watcher.first == "done"
    assert watcher.poll()[0] is None
    with Heartbeat(str(tmp_path), "chief-0").entered():
        assert watcher.poll()[0] == "running"
    assert watcher.poll()[0] == "done"


def test_a_file_that_is_no_json_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "chief-0.json").write_text("{")
    assert read_state(tmp_path / "workers", "chief-0") is None
    assert HeartbeatWatcher(str(tmp_path), "chief-0").poll()[0] is None


def test_who_stands_still_is_told_with_its_step(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    record = {"state": "running", "step": 41, "count": 3}
    (tmp_path / "workers" / "worker-1.json").write_text(json.dumps(record))
    with Heartbeat(str(tmp_path), "worker-0").entered():
        assert stalled_tasks(str(tmp_path), ["worker-0", "worker-1"]) == ["worker-1 (at step 41)"]
