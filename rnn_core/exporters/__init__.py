"""Exporters: what to keep of a model after an evaluation."""

from __future__ import annotations

from rnn_core.exporters.base import Exporter
from rnn_core.exporters.best import BestExporter
from rnn_core.exporters.best_checkpoint import BestCheckpointExporter
from rnn_core.exporters.saved_models import FinalExporter, LatestExporter

__all__ = [
    "BestCheckpointExporter",
    "BestExporter",
    "Exporter",
    "FinalExporter",
    "LatestExporter",
]
