"""The automation is that of the file for servers, and ends a run whose heartbeat has stopped."""

from __future__ import annotations

import os
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore

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
        assert install_automation()
        assert not install_automation()
        (found,) = client.read_automations_by_name(AUTOMATION)
        assert found.enabled
        assert os.environ.pop("PREFECT_FLOWS_HEARTBEAT_FREQUENCY") == "30"
        client.delete_automation(found.id)
