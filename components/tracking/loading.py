"""MLflow is imported by one thread at a time.

The thread that sends a run's records loads it, and so does the stage that looks up the champion.
Two imports of one package that begin at the same moment in different modules of it see each other
half done, and one of them fails.
"""

from __future__ import annotations

import threading

_LOCK = threading.Lock()


def load_client() -> None:
    """Imports MLflow's client; to be called before any module that needs it, in each thread."""
    with _LOCK:
        # MLflow takes seconds to load, which is the purpose of this function.
        import components.tracking.client  # noqa: F401
