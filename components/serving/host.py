"""The model that answers now, and the thread that replaces it when the champion moves.

A request holds the model with which it began until it is answered: no answer is of two versions.
The next version is loaded and has answered a row before it takes over, in one assignment; one that
cannot be loaded never does.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.errors import NotFoundError, RegistryAwayError
from components.registry.registry import champion_version, fetch_version
from components.runtime.outage import Outage
from components.serving.limits import Batching, Limits
from components.serving.metrics import Metrics
from components.serving.served_model import ServedModel
from components.tracking.errors import reason
from components.tracking.journal import without_credentials

_LOG = logging.getLogger("rnnflow.serving")

_LONGEST_PAUSE_SECONDS = 600.0
"""A version that was refused is tried again, ever less often: its files may be put back."""


@dataclass(frozen=True)
class Registry:
    """Where the champion is found.

    Args:
        name: the registered model.
        tracking_uri: address of MLflow.
        directory: holds local copies of the versions.
    """

    name: str
    tracking_uri: str
    directory: Path

    def champion(self) -> int | None:
        """The version that is to serve; None as long as there is none."""
        return champion_version(self.name, self.tracking_uri)

    def fetch(self, version: int) -> Path:
        """A local copy of a version's SavedModel."""
        return fetch_version(self.name, version, self.tracking_uri, self.directory)


class ModelHost:
    """Holds the model that answers, and follows the champion.

    Args:
        registry: where the champion is found.
        limits: of requests.
        batching: how rows become batches.
        metrics: are told of swaps and refusals.
    """

    def __init__(
        self, registry: Registry, limits: Limits, batching: Batching, metrics: Metrics
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._batching = batching
        self._metrics = metrics
        self._current: ServedModel | None = None
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None
        self._outage = Outage()
        self._refused: int | None = None
        self._retry_at = 0.0
        self._retry_pause = 0.0
        self._is_headless = False
        metrics.waiting_rows.set_function(lambda: self.model.waiting_rows)

    @property
    def model(self) -> ServedModel:
        """The model that answers now."""
        assert self._current is not None, "the first version is loaded before the server starts"
        return self._current

    @contextlib.contextmanager
    def leased(self) -> Iterator[ServedModel]:
        """The model for one request, which keeps it until it is answered."""
        model = self.model
        # Between the two lines another version may have taken over.
        while not model.acquire():
            model = self.model
        try:
            yield model
        finally:
            model.release()

    def load_first(self) -> ServedModel:
        """Loads the champion before the server starts.

        Raises:
            NotFoundError: there is no champion.
            RegistryError: the registry is unreachable, or the files are not those registered.
            BrokenModelError: the champion does not load.
        """
        version = self._registry.champion()
        if version is None:
            raise NotFoundError(
                f"{self._registry.name} has no champion to serve yet. `rnnflow run` promotes one "
                f"when the gate passes; `rnnflow promote {self._registry.name} VERSION` does it by "
                "hand."
            )
        self._metrics.registry_is_up.set(1)
        self._take_over(self._load(version))
        return self.model

    def follow(self, poll_seconds: float) -> None:
        """From now on asks the registry for the champion, each so many seconds."""

        def watch() -> None:
            while not self._ended.wait(poll_seconds):
                self.look(poll_seconds)

        self._watcher = threading.Thread(target=watch, name="follow the champion", daemon=True)
        self._watcher.start()

    def look(self, poll_seconds: float) -> None:
        """Asks the registry once, and lets a new champion take over if it loads."""
        try:
            version = self._registry.champion()
            self._metrics.registry_is_up.set(1)
            self._outage.ends()
            if version is None:
                self._keep_without_champion()
            elif version != self.model.version and self._may_try(version):
                self._replace(version, poll_seconds)
            elif version == self.model.version:
                self._refused, self._is_headless = None, False
        except RegistryAwayError as error:
            self._metrics.registry_is_up.set(0)
            where = f"MLflow at {without_credentials(self._registry.tracking_uri)}"
            going_on = f"version {self.model.version} goes on serving"
            self._outage.begins(where, reason(error.__cause__ or error), going_on)
        # Whatever else it is, the version that serves must go on, and so must this thread.
        except Exception as error:
            _LOG.error("cannot look for the champion: %s", error)

    def close(self, seconds: float) -> bool:
        """Ends the thread; False: after so long it still loads a version."""
        self._ended.set()
        self.model.retire()
        if self._watcher is None:
            return True
        self._watcher.join(seconds)
        return not self._watcher.is_alive()

    def _replace(self, version: int, poll_seconds: float) -> None:
        before = self.model
        try:
            model = self._load(version)
        # A damaged file ends in any type, and whatever it is, the version before goes on.
        except Exception as error:
            self._refuse(version, error, poll_seconds)
            return
        self._take_over(model)
        self._refused, self._is_headless = None, False
        self._metrics.model_swaps.inc()
        before.retire()
        _LOG.info("version %d took over from version %d", version, before.version)

    def _load(self, version: int) -> ServedModel:
        saved_model = self._registry.fetch(version)
        return ServedModel(
            self._registry.name,
            version,
            saved_model,
            self._limits,
            self._batching,
            self._metrics.batch_rows.observe,
        )

    def _take_over(self, model: ServedModel) -> None:
        self._current = model
        self._metrics.model_version.labels(model.name).set(model.version)

    def _may_try(self, version: int) -> bool:
        return version != self._refused or time.monotonic() >= self._retry_at

    def _refuse(self, version: int, error: Exception, poll_seconds: float) -> None:
        is_known = version == self._refused
        pause = 2 * self._retry_pause if is_known else poll_seconds
        self._retry_pause = min(pause, _LONGEST_PAUSE_SECONDS)
        self._refused, self._retry_at = version, time.monotonic() + self._retry_pause
        self._metrics.refused_versions.labels(str(version)).inc()
        level = logging.DEBUG if is_known else logging.ERROR
        _LOG.log(
            level,
            "version %d is the champion, but cannot serve; version %d goes on: %s",
            version,
            self.model.version,
            error,
        )

    def _keep_without_champion(self) -> None:
        if not self._is_headless:
            self._is_headless = True
            _LOG.warning(
                "%s has no champion any more; version %d goes on serving",
                self._registry.name,
                self.model.version,
            )
