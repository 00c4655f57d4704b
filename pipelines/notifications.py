"""Tells people how a run ended: by Slack, e-mail, a webhook, or what else Apprise knows.

Where to is in the environment variable ``APPRISE_URLS``, as the addresses hold credentials; for
what is ``notify_on`` of the config.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Collection

import apprise

from pipelines.console import printable
from pipelines.work_directory import Outcome, Status

LOGGER = logging.getLogger("rnnflow")

URLS = "APPRISE_URLS"
"""The variable of Apprise's own command: addresses between spaces or commas."""

_TYPES: dict[Status, apprise.NotifyType] = {
    "promoted": apprise.NotifyType.SUCCESS,
    "proposed": apprise.NotifyType.WARNING,
    "refused": apprise.NotifyType.WARNING,
    "failed": apprise.NotifyType.FAILURE,
}
"""Its colour or symbol, where a service has some; the others are informations."""


def notify(outcome: Outcome, statuses: Collection[str]) -> None:
    """Tells of a run that has ended, if it ended as one of these and somebody is to be told.

    A message that cannot be delivered is a line in the log: the run has its outcome.
    """
    urls = os.environ.get(URLS, "")
    if not urls.strip() or outcome.status not in statuses:
        return
    client = apprise.Apprise()
    with warnings.catch_warnings():
        # Apprise reads its plugins here, some of which import what a later Python drops.
        warnings.simplefilter("ignore", DeprecationWarning)
        are_known = client.add(urls)
    if not are_known:
        # Not the addresses themselves: they may hold passwords.
        LOGGER.warning(
            "%s: expected addresses that Apprise knows, such as json://HOST/PATH, between spaces "
            "or commas; at least one of them is none.",
            URLS,
        )
    sent = client.notify(
        title=f"{outcome.name}: {outcome.status}",
        body=_text(outcome),
        notify_type=_TYPES.get(outcome.status, apprise.NotifyType.INFO),
        body_format=apprise.NotifyFormat.TEXT,
    )
    if sent is False:
        LOGGER.warning(
            "The end of run %s could not be told to every address in %s.", outcome.run_id, URLS
        )


def _text(outcome: Outcome) -> str:
    lines = [outcome.reason, f"run: {outcome.run_id}"]
    if outcome.version is not None:
        aliases = ", ".join(outcome.version.aliases) or "no alias"
        lines.append(f"version: {outcome.version.version} ({aliases})")
    for name, page in (("MLflow", outcome.mlflow_url), ("Prefect", outcome.prefect_url)):
        if page:
            lines.append(f"{name}: {page}")
    if outcome.status == "proposed":
        lines.append(f"decide: rnnflow approve {outcome.name} --reason TEXT, or reject")
    return printable("\n".join(lines), keep="\n")
