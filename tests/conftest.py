"""What all tests share: an environment of their own, and one Prefect server a session."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before any test module imports Prefect or MLflow: a user's own servers and profiles are no part
# of the tests.
_HOME = tempfile.TemporaryDirectory(prefix="rnnflow-tests-")
os.environ["PREFECT_HOME"] = _HOME.name
for _name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL", "TF_CONFIG"):
    os.environ.pop(_name, None)

# A machine that is busy is no reason to fail: no test has a time limit for an example.
settings.register_profile(
    "rnnflow", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("rnnflow")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """The address of a real Prefect server, started once; this process uses it."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


def pytest_sessionfinish() -> None:
    _HOME.cleanup()
