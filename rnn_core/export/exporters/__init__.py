"""Exporters: what to keep of a model after an evaluation."""

from __future__ import annotations

from rnn_core.export.exporters.base import AnyExporter, Exporter
from rnn_core.export.exporters.best import BestExporter
from rnn_core.export.exporters.best_checkpoint import BestCheckpointExporter
from rnn_core.export.exporters.saved_models import FinalExporter, LatestExporter

__all__ = [
    "AnyExporter",
    "BestCheckpointExporter",
    "BestExporter",
    "Exporter",
    "FinalExporter",
    "LatestExporter",
]
