"""The automation is that of the file for servers, and ends a run whose heartbeat has stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore, EventTrigger

from pipelines.schedules.automation import AUTOMATION, install_automation, killed_runs_automation
from tests.projects import ROOT


def test_it_is_the_same_as_that_of_the_file() -> None:
    text = (ROOT / "infra" / "shared" / "killed_runs.yaml").read_text(encoding="utf-8")
    (declared,) = yaml.safe_load(text)["automations"]

    def plain(automation: AutomationCore) -> dict[str, Any]:
        return automation.model_dump(mode="python")

    assert plain(killed_runs_automation()) == plain(AutomationCore.model_validate(declared))


def test_it_is_installed_once_and_the_runs_of_this_process_send_heartbeats(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", raising=False)
    with get_client(sync_client=True) as client:
        for known in client.read_automations_by_name(AUTOMATION):
            client.delete_automation(known.id)
        assert install_automation() == "installed"
        assert install_automation() is None
        (found,) = client.read_automations_by_name(AUTOMATION)
        assert found.enabled
        assert os.environ.pop("PREFECT_FLOWS_HEARTBEAT_FREQUENCY") == "30"
        client.delete_automation(found.id)


@pytest.fixture
def older(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AutomationCore]:
    """The server has one that lacks a state of ours, and knows one of a later release."""
    monkeypatch.setenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    found = killed_runs_automation()
    assert isinstance(found.trigger, EventTrigger)
    found.trigger.expect.remove("prefect.flow-run.Skipped")
    found.trigger.expect.add("prefect.flow-run.Later")
    found.enabled = False
    with get_client(sync_client=True) as client:
        for known in client.read_automations_by_name(AUTOMATION):
            client.delete_automation(known.id)
        made = client.create_automation(found)
        yield found
        client.delete_automation(made)


@pytest.mark.usefixtures("older")
def test_one_of_another_release_is_brought_up_to_date_and_stays_switched_off() -> None:
    assert install_automation() == "updated"
    with get_client(sync_client=True) as client:
        (found,) = client.read_automations_by_name(AUTOMATION)
    ours = killed_runs_automation().trigger
    assert isinstance(found.trigger, EventTrigger)
    assert isinstance(ours, EventTrigger)
    assert found.trigger.expect == ours.expect | {"prefect.flow-run.Later"}
    assert not found.enabled
    assert install_automation() is None
