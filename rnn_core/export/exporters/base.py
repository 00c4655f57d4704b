"""What ``train_and_evaluate`` calls after an evaluation."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from rnn_core.export.methods import ExportMethods

Metrics: TypeAlias = Mapping[str, Any]
"""What ``Estimator.evaluate`` returns, by name: floats, or arrays where a ``model_fn`` has such."""


class AnyExporter(Protocol):
    """What ``EvalSpec`` takes as an exporter: an ``Exporter``, or anything with the same members.

    ``estimator`` is the ``Estimator``; the other arguments are those of ``Exporter.export``.
    """

    @property
    def name(self) -> str:
        """Name of the directory below ``<model_dir>/export``."""

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> str | None:
        """Exports to ``export_path``, or not; returns the path of what it exported, else None."""


class Exporter(abc.ABC):
    """Called by ``train_and_evaluate`` after every evaluation."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Name of the directory below ``<model_dir>/export``."""

    @abc.abstractmethod
    def export(
        self,
        estimator: ExportMethods,
        export_path: str,
        checkpoint_path: str,
        eval_result: Metrics,
        is_the_final_export: bool,
    ) -> str | None:
        """Exports to ``export_path``, or not; returns the path of what it exported, else None.

        Args:
            estimator: the ``Estimator``.
            export_path: ``<model_dir>/export/<name>``.
            checkpoint_path: prefix of the checkpoint that was evaluated.
            eval_result: what ``Estimator.evaluate`` gave for it.
            is_the_final_export: whether training has ended.
        """
