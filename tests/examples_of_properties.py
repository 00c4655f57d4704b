"""How many examples a property is tried with."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """``count``; ten times as many if ``RNNFLOW_THOROUGH=1`` is in the environment.

    For properties of which an example takes a second, such as one that traces a function.
    """
    return count * 10 if os.environ.get("RNNFLOW_THOROUGH") == "1" else count
