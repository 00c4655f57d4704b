"""The flow: its parameters, and the state that Prefect shows of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import State

from components.artifacts.storage import write_atomically
from components.data.rows import find_rows
from components.errors import ConfigError, NotFoundError
from pipelines.config import load_config, preloaded
from pipelines.lineage import LINEAGE, Lineage, lineage_json
from pipelines.training import training_flow
from pipelines.work_directory import CONFIG, Outcome, new_run_id
from tests.projects import Project

pytest_plugins = ["tests.components.mlflow_fixtures"]


def _run(project: Project, **parameters: Any) -> State[Any]:
    state: State[Any] = training_flow(
        str(project.config), str(project.work.root), return_state=True, **parameters
    )
    return state


def test_the_flow_takes_only_what_a_json_document_can_hold() -> None:
    schema = training_flow.parameters.model_dump()
    assert list(schema["properties"]) == [
        "config_path", "work_dir", "run_id", "until", "rerun", "workers", "when",
        "settings",
    ]  # fmt: skip
    assert schema["required"] == ["config_path"]


def test_the_flow_run_is_named_after_the_run_and_holds_its_parameters(small: Project) -> None:
    run_id = new_run_id()
    state = _run(small, run_id=run_id, until="rows")
    assert state.name == "Completed"
    assert str(state.message).startswith("Done up to rows")
    flow_run_id = state.state_details.flow_run_id
    assert flow_run_id is not None
    with get_client(sync_client=True) as client:
        found = client.read_flow_run(flow_run_id)
    assert found.name == f"{small.root.name} {run_id}"
    assert found.parameters["work_dir"] == str(small.work.root)
    assert small.work.run_ids() == [run_id]


def test_a_run_id_is_made_if_none_is_given(small: Project) -> None:
    _run(small, until="rows")
    (run_id,) = small.work.run_ids()
    with get_client(sync_client=True) as client:
        named = FlowRunFilter(name=FlowRunFilterName(any_=[f"{small.root.name} {run_id}"]))
        assert len(client.read_flow_runs(flow_run_filter=named)) == 1


def test_a_run_that_is_due_during_another_is_cancelled_and_says_which(small: Project) -> None:
    """As Prefect itself cancels a scheduled run; the other one may have been begun by hand."""
    with small.work.lock("first"):
        state = _run(small, until="rows")
    assert (state.type.value, state.name) == ("CANCELLED", "Cancelled")
    assert "another run is in progress" in str(state.message)
    assert "run first" in str(state.message)
    assert small.work.run_ids() == []


def test_the_number_of_workers_replaces_that_of_the_config(small: Project) -> None:
    _run(small, until="rows", workers=3)
    (run_id,) = small.work.run_ids()
    assert load_config(small.work.runs / run_id / CONFIG).training.workers == 3


def test_a_config_that_the_caller_has_loaded_is_not_read_again(small: Project) -> None:
    config = load_config(small.config)
    small.config.write_text("name: [")
    with preloaded(config):
        assert _run(small, until="rows").name == "Completed"
    (run_id,) = small.work.run_ids()
    assert load_config(small.work.runs / run_id / CONFIG) == config
    assert _run(small, until="rows").is_failed()


@pytest.mark.parametrize("fault", ["seed: many", None])
def test_a_config_that_cannot_be_used_fails_the_flow_run_and_leaves_no_run(
    small: Project, fault: str | None
) -> None:
    if fault:
        small.config.write_text(small.config.read_text() + fault + "\n")
    else:
        small.config.unlink()
    state = _run(small, until="rows")
    assert state.is_failed()
    error = state.result(raise_on_failure=False)
    assert isinstance(error, ConfigError if fault else NotFoundError)
    assert small.work.run_ids() == []


def test_the_whole_flow_ends_promoted_with_the_gates_reason(first_run: Outcome) -> None:
    name = f"{first_run.name} {first_run.run_id}"
    named = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
    with get_client(sync_client=True) as client:
        (found,) = client.read_flow_runs(flow_run_filter=named)
    assert found.state is not None
    assert (found.state.name, found.state.message) == ("Promoted", first_run.reason)


def test_a_run_with_nothing_to_do_is_a_finished_one_that_says_so(
    small: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(small, until="rows", when="new-data")
    (first,) = small.work.run_ids()
    config = load_config(small.config)
    facts = Lineage(
        run_id=first, data=find_rows(config.data).digest, rows={}, examples="", model="", step=1,
        temperature=1.0, predictions="", version=None, code={}, versions={},
    )  # fmt: skip
    write_atomically(small.work.runs / first / LINEAGE, lineage_json(facts))
    ended = small.work.find_outcome(first)
    assert ended is not None
    small.work.save_outcome(dataclasses.replace(ended, status="refused"))

    state = _run(small, when="new-data")
    assert (state.type.value, state.name) == ("COMPLETED", "Skipped")
    assert str(state.message).startswith(f"no new data since run {first}, which was refused")
    assert f"{config.name}: skipped, no new data since" in capsys.readouterr().out
    assert small.work.run_ids() == [first]

    with (small.root / "rows.jsonl").open("a") as file:
        file.write('{"id": "new", "label": "no", "sequence": {"x": [1.0]}}\n')
    assert _run(small, until="rows", when="new-data").name == "Completed"
    assert len(small.work.run_ids()) == 2
