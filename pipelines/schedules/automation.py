"""The automation that ends killed runs in Prefect, as a schedule installs it.

A run whose process was killed tells Prefect nothing and would stay Running for ever. Each process
sends heartbeats; a run without one for a while becomes Crashed. The server does that by itself.
``infra/shared/killed_runs.yaml`` is the same for servers that are set up without a schedule.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from pipelines.upkeep.killed_runs import SKIPPED, STATE_NAMES

Change: TypeAlias = Literal["installed", "updated"] | None

AUTOMATION: Final = "rnnflow-killed-runs"
BEAT_SECONDS: Final = 30
"""Prefect's least."""
PATIENCE_SECONDS: Final = 90
"""Three beats: one that comes late is no reason."""


def killed_runs_automation() -> AutomationCore:
    """Makes a run Crashed whose heartbeat has stopped."""
    # Prefect names an event after the name of a state: without ours a run that ended well would be
    # made Crashed too.
    ends = ["Completed", "Failed", "Cancelled", "Crashed"]
    ends += [name for name in (*STATE_NAMES.values(), SKIPPED) if name not in ends]
    heartbeat = "prefect.flow-run.heartbeat"
    return AutomationCore(
        name=AUTOMATION,
        description=(
            f"Marks a run as Crashed when its heartbeat has stopped for {PATIENCE_SECONDS} seconds."
        ),
        enabled=True,
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after={heartbeat},
            expect={heartbeat, *(f"prefect.flow-run.{name}" for name in ends)},
            match=ResourceSpecification(root={"prefect.resource.id": "prefect.flow-run.*"}),
            for_each={"prefect.resource.id"},
            threshold=1,
            within=timedelta(seconds=PATIENCE_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                name=None,
                state=StateType.CRASHED,
                message=f"The run's process sent no heartbeat for {PATIENCE_SECONDS} seconds.",
                force=False,
            )
        ],
    )


def install_automation() -> Change:
    """Makes sure that the server has it as it is in this release; returns what was changed.

    The runs that this process starts send their heartbeats. An automation that a person has
    switched off stays so, and what a newer release expects is left in it.
    """
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(BEAT_SECONDS))
    ours = killed_runs_automation()
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(AUTOMATION)
    if found:
        ours.enabled = found[0].enabled
        theirs = found[0].trigger
        if isinstance(theirs, EventTrigger) and isinstance(ours.trigger, EventTrigger):
            ours.trigger.expect |= theirs.expect
    return put_automation(ours)


def put_automation(automation: AutomationCore) -> Change:
    """Makes sure that the server has an automation of this name, and that it is this one."""
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(automation.name)
        if not found:
            client.create_automation(automation)
            return "installed"
        fields = set(AutomationCore.model_fields)
        wanted = automation.model_dump()
        if found[0].model_dump(include=fields) == wanted:
            return None
        # As if each field had been given: Prefect sends no others. The server takes all but one.
        del wanted["owner_resource"]
        client.update_automation(found[0].id, AutomationCore.model_validate(wanted))
        return "updated"
