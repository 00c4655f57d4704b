"""One pipeline run in MLflow, a parent run with a nested one per stage, and its link in Prefect."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from components.artifacts.values import Version
from components.errors import ServerAwayError
from components.runtime.machine_load import MachineLoad
from components.tracking import tracker
from components.tracking.background_sender import SEND_DELAY_SECONDS, BackgroundSender
from components.tracking.owner import Owner
from components.tracking.values import NOTE_TAG, version_page
from pipelines.config import PipelineConfig, flatten
from pipelines.provenance import provenance_tags
from pipelines.servers.patience import PATIENCE
from pipelines.stage_records import StageRecord
from pipelines.upkeep.earlier_runs import recover_earlier_runs
from pipelines.work_directory import CONFIG, JOURNAL, Status, WorkDirectory

_PARENT = "pipeline"


class RunTracking:
    """What one run logs to MLflow. With an unreachable server nothing is lost and nothing stops.

    Everything is on disk at once, and a background thread sends it some seconds later: a stage
    waits neither for the server nor for the import of MLflow.
    """

    def __init__(
        self,
        work: WorkDirectory,
        run_id: str,
        config: PipelineConfig,
        owner: Owner,
        send_delay_seconds: float = SEND_DELAY_SECONDS,
    ) -> None:
        self._work, self._run_id, self._name = work, run_id, config.name
        self._owner = owner
        directory = work.runs / run_id
        self._journal = directory / JOURNAL
        self._is_linked = self._has_ended = self._earlier_runs_are_handled = False
        # Both the sending thread and the flow's may be the first to send.
        self._handling = threading.Lock()
        self._load = MachineLoad()
        self._found_tags: dict[str, str] = {}
        self._sender = BackgroundSender(self._send, send_delay_seconds)
        self._tracker = tracker.Tracker(
            self._journal, work.tracking_uri, config.name, self._sender.request
        )
        tags = {
            tracker.WORK_DIR_TAG: str(work.root),
            **owner.tags(),
            tracker.RUN_ID_TAG: run_id,
            tracker.STATUS_TAG: "running",
            "prefect.flow_run_id": str(flow_run.id),
            "prefect.flow_run_url": prefect_address()
            or "an ephemeral server's: `prefect server start`",
            **provenance_tags(),
        }
        # The user's first: none of them takes the place of one of ours.
        self._tracker.start_run(_PARENT, run_id, None, {**config.tags, **tags})
        params = flatten(config).items()
        self._tracker.log_params(
            _PARENT, {name: value for name, value in params if name.partition(".")[0] != "tags"}
        )
        self._tracker.log_artifact(_PARENT, directory / CONFIG)

    def _send(self) -> None:
        self._handle_earlier_runs()
        self._tracker.send()
        if self._tracker.is_unreachable and self._tracker.run_id(_PARENT) is None:
            # The server did not hear of the earlier runs, either, and has nothing of this one.
            self._earlier_runs_are_handled = False

    def _handle_earlier_runs(self) -> None:
        """Sends what they left unsent, then marks those that were killed, there and on disk.

        It comes before the first event of this run is sent, or it would mark this one too.
        """
        with self._handling:
            if not self._earlier_runs_are_handled:
                recover_earlier_runs(
                    self._work, self._name, self._owner, f"run {self._run_id}", self._journal
                )
                self._earlier_runs_are_handled = True

    @property
    def mlflow_run_id(self) -> str | None:
        """The parent run, which is created if needed; None as long as the server is unreachable."""
        if self._tracker.run_id(_PARENT) is None and not self._has_ended:
            self._send()
        return self._tracker.run_id(_PARENT)

    def beat(self) -> None:
        """Tells the server that this run is alive; raises whatever the server does."""
        self._tracker.beat(_PARENT)

    def stage_started(self, name: str) -> None:
        """Opens the nested run of a stage."""
        self._load = MachineLoad()  # what earlier stages used is no load of this one
        self._tracker.start_run(name, name, _PARENT, {"rnnflow.stage": name})

    def stage_finished(
        self, name: str, record: StageRecord, reused: bool, artifact: Path | None = None
    ) -> None:
        """Logs all that a stage made; of one that was reused not the files, but where they are."""
        for file in record.dataset.files if record.dataset else ():
            dataset = f"{self._name}-{Path(file.path).stem}"
            self._tracker.log_dataset(
                _PARENT, dataset, file.digest, file.path,
                profile={"bytes": file.size_bytes}, context=file.split or "all splits",
            )  # fmt: skip
        self._tracker.log_params(name, record.parameters)
        if record.history:
            self.log_new_history(name, record.history)
        now = time.time_ns() // 1_000_000
        for run, metrics in ((name, record.metrics), (_PARENT, record.compared)):
            points = [tracker.Point(key, value, 0, now) for key, value in metrics.items()]
            self._tracker.log_metrics(run, points)
        self._found_tags |= record.tags
        if artifact is not None:
            # MLflow logs the content of a directory: it gets a folder of that name.
            files = [(path, path.name if path.is_dir() else "") for path in record.artifacts]
            fingerprint = f"{artifact.parent.name}/{artifact.name}"
            self._tracker.log_artifacts(name, fingerprint, files, reused=reused)
        self._tracker.end_run(name, "FINISHED", {"rnnflow.reused": str(reused).lower()})
        # Reading the id does not wait for the server; `end` makes up for a link that is missed.
        if self._tracker.run_id(_PARENT) is not None:
            with PATIENCE.without_waiting():
                self.link_from_prefect()

    def stage_failed(self, name: str, artifacts: Iterable[Path] = ()) -> None:
        """Ends the nested run of a stage that failed, with what may say why."""
        for path in artifacts:
            self._tracker.log_artifact(name, path)
        self._tracker.end_run(name, "FAILED", {"rnnflow.status": "failed"})

    def stage_interrupted(self, name: str) -> None:
        """Ends the nested run of a stage that a person ended."""
        self._tracker.end_run(name, "KILLED", {"rnnflow.status": "interrupted"})

    def log_new_history(self, name: str, history: Path) -> None:
        """Logs the new lines of a stage's history."""
        self._tracker.log_new_history(name, history)

    def log_progress(self, name: str, history: Path, step: int) -> None:
        """Logs the new lines of a history that is being written, and how busy the machine is."""
        self.log_new_history(name, history)
        now = time.time_ns() // 1_000_000
        load = self._load.sample()
        points = (tracker.Point(key, value, step, now) for key, value in load.items())
        self._tracker.log_metrics(name, points)

    def log_files(self, files: Iterable[Path]) -> None:
        """Uploads the report and what belongs to it to the parent run."""
        for path in files:
            self._tracker.log_artifact(_PARENT, path)

    def end(self, status: Status, reason: str, version: Version | None = None) -> int:
        """Ends the parent run; returns how many events are still unsent."""
        ends: dict[Status, tracker.RunStatus] = {"failed": "FAILED", "interrupted": "KILLED"}
        finished = ends.get(status, "FINISHED")
        note = reason
        if version is not None:
            link = version_page(version.name, version.version)
            note += f"\n\nModel: [{version.name} version {version.version}]({link})"
        tags = {
            **self._found_tags,
            tracker.STATUS_TAG: status,
            "rnnflow.reason": reason,
            NOTE_TAG: note,
        }
        self._tracker.end_run(_PARENT, finished, tags)
        # No background send may be in progress: the last events are sent below, in order.
        self._sender.close()
        self._handle_earlier_runs()
        unsent = self._tracker.flush()
        self._has_ended = True
        with PATIENCE.without_waiting():
            self.link_from_prefect()
        return unsent

    @property
    def page(self) -> str | None:
        """The address of the parent run's page; None without a server, or as long as it is away."""
        return self._tracker.page(_PARENT)

    def link_from_prefect(self) -> None:
        """Leaves the MLflow run in Prefect, unless it is there already or Prefect is away."""
        if self._is_linked:
            return
        mlflow_run = self._tracker.run_id(_PARENT) or "not known yet: the server is unreachable"
        run, address = f"run `{mlflow_run}`", self._work.printed_tracking_uri
        link = f"[{run}]({self.page})" if self.page else f"{run}, at `{address}`"
        lines = [
            f"MLflow experiment `{self._name}`, {link}.",
            f"On disk: `runs/{self._run_id}` of the work directory.",
        ]
        text = "\n\n".join(lines)
        with contextlib.suppress(ServerAwayError):
            create_markdown_artifact(text, key="mlflow-run", description="MLflow run")
            self._is_linked = True


def prefect_address() -> str | None:
    """The page of this flow run; None with Prefect's ephemeral server, which has no pages."""
    address = str(flow_run.ui_url)
    return address if address.startswith("http") else None


def name_flow_run(name: str) -> None:
    """Names the flow run that this is called in, if there is one: a schedule's has a random name.

    Prefect's own template for names is filled in before the config is read.
    """
    if flow_run.id is None:
        return
    with get_client(sync_client=True) as client:
        client.update_flow_run(UUID(str(flow_run.id)), name=name)
