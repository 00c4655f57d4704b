"""What ``/metrics`` says, in Prometheus's text format."""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

# From an idle server's answer to a row of many thousand steps.
_SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one server, in a registry of its own: a test may have several servers."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.requests = Counter(
            "rnnflow_requests",
            "Requests by route and status.",
            ["route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "rnnflow_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.rows = Counter("rnnflow_rows", "Rows that were answered.", registry=registry)
        self.invalid_rows = Counter(
            "rnnflow_invalid_rows", "Rows that were refused as invalid.", registry=registry
        )
        self.batch_rows = Histogram(
            "rnnflow_batch_rows", "Rows of a batch.", buckets=_ROWS, registry=registry
        )
        self.waiting_rows = Gauge(
            "rnnflow_waiting_rows", "Rows that wait for their batch.", registry=registry
        )
        self.model_version = Gauge(
            "rnnflow_model_version", "The version that answers.", ["model"], registry=registry
        )
        self.model_swaps = Counter(
            "rnnflow_model_swaps", "New versions that took over.", registry=registry
        )
        self.refused_versions = Counter(
            "rnnflow_refused_versions",
            "Tries to load a version that failed; the one before went on answering.",
            ["version"],
            registry=registry,
        )
        self.registry_is_up = Gauge(
            "rnnflow_registry_up", "1: MLflow answered when it was last asked.", registry=registry
        )

    def add(self, collector: Collector) -> None:
        """Adds what is told by another part of the server."""
        self._registry.register(collector)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self._registry)
