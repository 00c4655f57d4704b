"""Which processes coverage measures."""

from __future__ import annotations

MEASURED = "COVERAGE_PROCESS_CONFIG"
"""The environment variable of those that it measures, and their children. Without it, a server runs
faster, or a process that is killed and would leave no data."""
