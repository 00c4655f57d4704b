"""The automation that ends killed runs in Prefect, as a schedule installs it.

A run whose process was killed tells Prefect nothing and would stay Running for ever. Each process
sends heartbeats; a run without one for a while becomes Crashed. The server does that by itself.
``infra/shared/killed_runs.yaml`` is the same for servers that are set up without a schedule.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from pipelines.upkeep.killed_runs import SKIPPED, STATE_NAMES

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


def install_automation() -> bool:
    """Makes sure that the server has it; returns whether it had not.

    The runs that this process starts send their heartbeats.
    """
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(BEAT_SECONDS))
    with get_client(sync_client=True) as client:
        if client.read_automations_by_name(AUTOMATION):
            return False
        client.create_automation(killed_runs_automation())
        return True
