"""How busy the machine is, from Linux's counters: what MLflow calls system metrics, without psutil.

MLflow's own monitor logs to a server by itself, past the journal that survives an outage; its names
are kept, so that its pages show these among the system metrics.
"""

from __future__ import annotations

import time
from pathlib import Path

SAMPLE_SECONDS = 10.0
"""Least time between two samples: MLflow's own default. A training of a day has 8,640 of them."""

_PROC = Path("/proc")


class MachineLoad:
    """Samples of the whole machine, taken while somebody asks for them.

    Args:
        every_seconds: least time between two samples.
    """

    def __init__(self, every_seconds: float = SAMPLE_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._sampled_at = time.monotonic()
        self._busy, self._total = _processor_ticks()

    def sample(self) -> dict[str, float]:
        """The use since the last sample, by MLflow's names; empty if that was a moment ago."""
        now = time.monotonic()
        busy, total = _processor_ticks()
        if now - self._sampled_at < self._every_seconds or total <= self._total:
            return {}
        share = (busy - self._busy) / (total - self._total)
        self._sampled_at, self._busy, self._total = now, busy, total
        used_bytes, all_bytes = _memory()
        return {
            "system/cpu_utilization_percentage": 100 * share,
            "system/system_memory_usage_megabytes": used_bytes / 1e6,
            "system/system_memory_usage_percentage": 100 * used_bytes / all_bytes,
        }


def _processor_ticks() -> tuple[int, int]:
    """Ticks of all processors since the start of the machine: those of work, and all."""
    line = (_PROC / "stat").read_text().partition("\n")[0]
    # user, nice, system, idle, iowait, irq, softirq, steal: proc(5). Guests are counted in user.
    ticks = [int(text) for text in line.split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _memory() -> tuple[int, int]:
    """Bytes in use, and all."""
    lines = (_PROC / "meminfo").read_text().splitlines()
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (s.partition(":") for s in lines)}
    total = kilobytes["MemTotal"]
    return 1024 * (total - kilobytes["MemAvailable"]), 1024 * total
