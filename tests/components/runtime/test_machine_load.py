from __future__ import annotations

import time
from pathlib import Path

import pytest

from components.runtime import machine_load
from components.runtime.machine_load import MachineLoad


def _counters(directory: Path, busy: int, idle: int) -> None:
    """What Linux writes: user, nice, system, idle, iowait, irq, softirq, steal and two guests."""
    (directory / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 {busy} 0\ncpu0 1 2 3 4\n")
    (directory / "meminfo").write_text(
        "MemTotal:  4000 kB\nMemFree: 100 kB\nMemAvailable:  1000 kB\nHugePages_Total: 0\n"
    )


def test_the_load_is_that_since_the_last_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_load, "_PROC", tmp_path)
    _counters(tmp_path, busy=1000, idle=9000)
    load = MachineLoad(every_seconds=0.0)
    _counters(tmp_path, busy=1030, idle=9010)
    assert load.sample() == {
        "system/cpu_utilization_percentage": 75.0,
        "system/system_memory_usage_megabytes": 3.072,
        "system/system_memory_usage_percentage": 75.0,
    }
    _counters(tmp_path, busy=1030, idle=9110)
    assert load.sample()["system/cpu_utilization_percentage"] == 0.0


def test_a_sample_is_taken_no_more_often_than_asked_for() -> None:
    load = MachineLoad(every_seconds=3600.0)
    time.sleep(0.05)
    assert load.sample() == {}


def test_nothing_is_sampled_before_the_counters_have_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_load, "_PROC", tmp_path)
    _counters(tmp_path, busy=10, idle=90)
    assert MachineLoad(every_seconds=0.0).sample() == {}


def test_this_machine_has_the_counters() -> None:
    load = MachineLoad(every_seconds=0.0)
    time.sleep(0.05)
    assert all(value >= 0 for value in load.sample().values())
