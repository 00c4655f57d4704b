"""``rnnflow run`` and the verbs of one stage: what they print, return and raise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from components.errors import BusyError, ConfigError, NotFoundError, RnnflowError, UserError
from components.workers.cluster import WorkerCluster
from components.workers.rendezvous import Chief
from pipelines.commands import run
from pipelines.config import load_config
from pipelines.provenance import versions
from pipelines.work_directory import CONFIG, ERROR, Outcome
from tests.projects import Project

pytest_plugins = ["tests.components.mlflow_fixtures"]


def _rows_only(project: Project, run_id: str | None = None, config: Path | None = None) -> int:
    """The cheapest of all: up to the first stage."""
    return run.run_until("rows", config, run_id, False, project.work.root)


def test_a_run_is_announced_shown_stage_by_stage_and_summed_up(
    small: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _rows_only(small, config=small.config) == 0
    (run_id,) = small.work.run_ids()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"rnnflow {versions()['rnnflow']}  {small.root.name}  run {run_id}"
    assert lines[1].split()[0] == "rows"
    assert any(line.startswith("Done up to rows") for line in lines)
    assert any(line.split()[:1] == ["report"] and run_id in line for line in lines)


def test_without_a_config_the_newest_run_is_continued(
    small: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    _rows_only(small, config=small.config)
    (first,) = small.work.run_ids()
    small.config.unlink()
    assert _rows_only(small) == 0
    assert _rows_only(small, run_id=first) == 0
    assert len(small.work.run_ids()) == 3


def test_a_config_and_a_run_exclude_each_other(small: Project) -> None:
    with pytest.raises(UserError, match="not both"):
        _rows_only(small, run_id="20260101-000000-aaaa", config=small.config)


def test_a_run_that_does_not_exist_is_named(small: Project) -> None:
    with pytest.raises(NotFoundError, match="20260101-000000-aaaa"):
        _rows_only(small, run_id="20260101-000000-aaaa")
    assert not small.work.root.exists()


def test_a_mistake_of_the_user_is_raised_as_it_was(small: Project) -> None:
    (small.root / "rows.jsonl").unlink()
    with pytest.raises(NotFoundError, match=r"data\.train: .*rows\.jsonl does not exist"):
        _rows_only(small, config=small.config)


def test_a_beam_runner_that_is_none_is_told_before_any_work(small: Project) -> None:
    small.edit(preprocessing={"runner": "FnApiRuner"})
    with get_client(sync_client=True) as client:
        before = client.count_flow_runs()
        with pytest.raises(ConfigError, match=r"runner: .* did you mean 'FnApiRunner'\?"):
            _rows_only(small, config=small.config)
        assert client.count_flow_runs() == before
    assert not small.work.root.exists()


def test_a_second_run_is_told_of_the_first(small: Project) -> None:
    with get_client(sync_client=True) as client:
        before = client.count_flow_runs()
        with small.work.lock("first"), pytest.raises(BusyError, match="run first"):
            _rows_only(small, config=small.config)
        # It was refused before there was a flow run, which would be one that failed.
        assert client.count_flow_runs() == before


def test_an_unexpected_error_is_one_line_and_the_place_of_its_trace(small: Project) -> None:
    # A regular file that opens and cannot be read: the memory of this process, from address 0.
    small.edit(data={"train": "/proc/self/mem"})
    with pytest.raises(RnnflowError) as caught:
        _rows_only(small, config=small.config)
    assert caught.value.exit_code == 1
    message = str(caught.value)
    (run_id,) = small.work.run_ids()
    trace = small.work.runs / run_id / ERROR
    assert message.startswith("OSError: ")
    assert str(trace) in message
    assert "Traceback" not in message
    assert "find_rows" in trace.read_text()


def test_another_worker_than_the_first_follows_it_and_runs_nothing(
    small: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = ("a:1", "b:2")
    monkeypatch.setenv("TF_CONFIG", WorkerCluster(addresses, 1).tf_config)
    cluster = WorkerCluster(addresses, 0)
    chief = Chief(small.work.cluster / cluster.key, cluster)
    with ThreadPoolExecutor() as threads:
        missing = threads.submit(chief.dismiss, "done", "", 60.0)
        assert _rows_only(small, config=small.config) == 0
        assert missing.result() == 0
    assert capsys.readouterr().out.splitlines() == [
        f"rnnflow {versions()['rnnflow']}  {small.root.name}  worker 1 of 2"
    ]
    assert small.work.run_ids() == []


def test_a_number_of_workers_that_the_cluster_does_not_have_is_the_users_mistake(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in (0, 1):
        monkeypatch.setenv("TF_CONFIG", WorkerCluster(("a:1", "b:2"), index).tf_config)
        with pytest.raises(UserError, match="in a cluster of 2 workers; got --workers 5"):
            run.run_pipeline(small.config, small.work.root, 5)
    assert not small.work.root.exists()


def test_the_number_of_workers_is_kept_with_the_run(small: Project) -> None:
    assert run.run_until("rows", small.config, None, False, small.work.root, 3) == 0
    (run_id,) = small.work.run_ids()
    assert load_config(small.work.runs / run_id / CONFIG).training.workers == 3


def test_the_whole_run_returns_the_code_of_its_decision(
    vowels: Project, first_run: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything is reused but the gate, whose rule nothing can hold."""
    vowels.edit(gate={"bounds": {"accuracy": {"min": 1.0}}}, name="never-good-enough")
    code = run.run_pipeline(vowels.config, vowels.work.root)
    assert code == 3
    text = capsys.readouterr().out
    assert "rnnflow promote never-good-enough 1" in text
    for name in ("examples", "model", "metrics", "export"):
        (line,) = (line for line in text.splitlines() if line.split()[:1] == [name])
        assert " reused " in line
