"""What all tests share: an environment of their own, one Prefect server and one full run."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

from components.runtime.libraries import mute_import_of_tensorflow
from tests.measured import MEASURED

if TYPE_CHECKING:
    from pipelines.work_directory import Outcome
    from tests.projects import Project

# Before any test module imports Prefect or MLflow: a user's own servers and profiles are no part
# of the tests.
_TEMPORARY = tempfile.gettempdir()
_HOME = tempfile.TemporaryDirectory(prefix="rnnflow-tests-", ignore_cleanup_errors=True)
Path(_HOME.name).chmod(0o711)  # a PostgreSQL server of another user has its directory in it
os.environ["PREFECT_HOME"] = str(Path(_HOME.name) / "prefect")
# A process that a test kills removes nothing; what it leaves goes with this directory. What pytest
# keeps of the last sessions stays where it is.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _TEMPORARY)
os.environ["TMPDIR"] = tempfile.tempdir = _HOME.name
for _name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL", "TF_CONFIG"):
    os.environ.pop(_name, None)

# TensorFlow is loaded as the commands load it, in half of the time.
mute_import_of_tensorflow()

# Here, before any test module brings TensorFlow: Prefect closes every handler of logging while it
# is imported. That of absl, TensorFlow's, also closes its stream unless that is `sys.stderr` at the
# moment; while pytest captures the output it is not, and pytest would lose its own.
import prefect.main  # noqa: E402, F401

# A machine that is busy is no reason to fail: no test has a time limit for an example.
settings.register_profile(
    "rnnflow", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("rnnflow")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def no_global_seed_is_left() -> Iterator[None]:
    """With the global seed of one test, every shuffle of the next one would have a seed."""
    yield
    if (tensorflow := sys.modules.get("tensorflow")) is not None:
        tensorflow.random.set_seed(None)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Prefect server, started once; this process uses it."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tests.prefect_server import PrefectServer, end_prefect_threads

    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    server.start()
    try:
        with temporary_settings({PREFECT_API_URL: server.address}):
            yield server.address
    finally:
        end_prefect_threads()
        server.kill()


@pytest.fixture(scope="session")
def vowels(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Project:
    """JapaneseVowels; later runs of it reuse what the first one made."""
    from tests.projects import make_project

    return make_project(tmp_path_factory.mktemp("vowels"), prefect_server)


@pytest.fixture(autouse=True)
def _unedited_vowels(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test may edit config and data of ``vowels``: the next one finds them as they were."""
    yield
    if {"vowels", "prefect_server"} <= set(request.fixturenames):
        from tests.projects import make_project

        project: Project = request.getfixturevalue("vowels")
        make_project(project.root, project.server)


@pytest.fixture(scope="session")
def first_run(vowels: Project) -> Outcome:
    """The whole pipeline on JapaneseVowels, from nothing."""
    return vowels.run()


# What a test is made of follows from its place and its fixtures, so that none has to say it.
# Fixtures that start a server, or run Beam, a training or a whole pipeline.
_HEAVY = {"first_run", "mixed", "prefect_server", "server", "small_model", "store", "toy", "vowels"}
_CLUSTERS = ("tests/rnn_core/distribution/", "tests/components/workers/")
_WHOLE = ("tests/integration/", "tests/parity/", "tests/benchmarks/", "tests/examples/")
# Files that take a minute or more for a few tests. They come first, so that at the end no process
# is alone with one of them: `make test` has two, which take whole files in this order.
_LONG = (
    "tests/docs/test_snippets.py",
    "tests/integration/",
    "tests/benchmarks/quality/test_run.py",
    "tests/examples/",
    "tests/infra/test_local.py",
    "tests/parity/",
    "tests/rnn_core/distribution/",
    "tests/rnn_core/models/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test as ``unit``, ``integration`` or ``cluster``, and has the long files first.

    ``slow`` is written by hand.
    """
    for item in items:
        place = item.path.relative_to(ROOT).as_posix()
        fixtures = set(getattr(item, "fixturenames", ()))
        if place.startswith(_CLUSTERS):
            item.add_marker(pytest.mark.cluster)
        elif place.startswith(_WHOLE) or fixtures & _HEAVY:
            item.add_marker(pytest.mark.integration)
        elif item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.unit)
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


# Coverage makes Python code about 1.5 times as slow. What these run, others run too: measured with
# them, the figure is 0.1 % higher.
_UNMEASURED = (
    "tests/benchmarks/",
    "tests/docs/",
    "tests/examples/",
    "tests/integration/",
    "tests/parity/",
    "tests/rnn_core/distribution/test_equality.py",
    "tests/rnn_core/models/test_native_layers.py",
    "tests/rnn_core/reference_page/",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Stops a measurement of coverage, if there is one, while an unmeasured test runs."""
    measuring = Coverage.current()
    if measuring is None or not item.nodeid.startswith(_UNMEASURED):
        return (yield)
    measuring.stop()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(MEASURED, raising=False)
            return (yield)
    finally:
        measuring.start()


def pytest_collection_finish() -> None:
    """What is loaded by now lives as long as the process: no collection needs to visit it."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Saves what a process of xdist has measured: the one that started it waits ten seconds.

    Then it is killed, with all that it would have saved on its way out. What TensorFlow and Prefect
    do at the end of a process that ran half of the tests may take longer. The measurement ends
    here: if it went on, the process would write its file again at its end, and might be killed
    meanwhile.
    """
    measuring = Coverage.current()
    if measuring is not None and hasattr(session.config, "workerinput"):
        measuring.stop()
        measuring.save()
