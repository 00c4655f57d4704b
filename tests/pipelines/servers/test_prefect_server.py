"""The server of one run: started where none is configured, and gone with the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.errors import RnnflowError
from pipelines.run_tracking import prefect_address
from pipelines.servers.prefect_server import prefect_server as own_server
from tests.components.worker_commands import children_of, runs, wait_for
from tests.measured import MEASURED
from tests.prefect_server import end_prefect_threads

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _servers_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MEASURED, raising=False)


def test_a_flow_runs_against_a_server_that_is_gone_afterwards() -> None:
    seen: list[tuple[str, str | None]] = []

    @flow(persist_result=False)
    def looked_at() -> None:
        seen.append((str(flow_run.id), prefect_address()))

    end_prefect_threads()
    before = children_of(os.getpid())
    with temporary_settings(restore_defaults={PREFECT_API_URL}), own_server() as wait:
        wait()
        started = children_of(os.getpid()) - before
        looked_at()
        ((run_id, page),) = seen
        with get_client(sync_client=True) as client:
            assert client.read_flow_run(UUID(run_id)).state_name == "Completed"
        end_prefect_threads()
    assert page is None
    assert started
    assert not any(map(runs, started))


def test_a_server_that_is_configured_is_the_one_that_is_used(prefect_server: str) -> None:
    before = children_of(os.getpid())
    with own_server() as wait:
        wait()
        assert PREFECT_API_URL.value() == prefect_server
        assert children_of(os.getpid()) == before


def test_a_server_that_does_not_start_is_told_with_its_words_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.write_text("a file where a directory is needed")
    monkeypatch.setenv("PREFECT_HOME", str(home))
    before = children_of(os.getpid())
    wanted = r"(?s)set PREFECT_API_URL.*unable to open database file"
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        own_server() as wait,
        pytest.raises(RnnflowError, match=wanted),
    ):
        wait()
    assert children_of(os.getpid()) == before


def test_it_does_not_outlive_a_run_that_is_killed(tmp_path: Path) -> None:
    text = (
        "import time\n"
        "from pipelines.servers.prefect_server import prefect_server\n"
        "with prefect_server() as wait:\n"
        "    wait()\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text],
        env={**os.environ, "PREFECT_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            children = children_of(process.pid)
            assert children
        finally:
            process.kill()
    wait_for(lambda: not any(map(runs, children)))
