"""Exporters: what to keep of a model after an evaluation."""

from __future__ import annotations

import glob
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from typing import Protocol

from rnn_core import checkpoints
from rnn_core.classifier import RNNEstimator
from rnn_core.errors import ArgumentError

logger = logging.getLogger("rnn_core")


class Exporter(Protocol):
    """Called by ``train_and_evaluate`` after every evaluation."""

    @property
    def name(self) -> str:
        """Name of the directory below ``<model_dir>/export``."""

    def export(
        self,
        estimator: RNNEstimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, float],
        is_the_final_export: bool,
    ) -> str | None:
        """Exports to ``export_path`` if it likes; gives the path of what it exported."""


class BestCheckpointExporter:
    """Keeps the checkpoint of the best evaluation, across restarts.

    It lies in ``<model_dir>/export/<name>`` as ``model.ckpt-N.*`` with a ``checkpoint`` file;
    ``best.json`` remembers the value. Of two equal evaluations the earlier one is kept.
    """

    def __init__(
        self, name: str = "best", metric: str = "average_loss", higher_is_better: bool = False
    ) -> None:
        self._name = name
        self._metric = metric
        self._higher_is_better = higher_is_better

    @property
    def name(self) -> str:
        """Name of the directory below ``<model_dir>/export``."""
        return self._name

    def export(
        self,
        estimator: RNNEstimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, float],
        is_the_final_export: bool,
    ) -> str | None:
        """Copies the checkpoint if it is better; gives its path there, else None.

        Raises:
            ArgumentError: the evaluation has no such metric.
            StorageError: ``export_path`` cannot be written.
        """
        del estimator, is_the_final_export
        if self._metric not in eval_result:
            raise ArgumentError(
                f"BestCheckpointExporter: expected metric to be one of "
                f"{', '.join(sorted(eval_result))}, got {self._metric!r}."
            )
        value = float(eval_result[self._metric])
        if not self._is_better(value, _remembered(export_path)):
            return None
        with checkpoints.storage_errors(export_path):
            path = _keep(checkpoint_path, export_path)
            record = {"metric": self._metric, "value": value, "path": os.path.basename(path)}
            checkpoints.write_text(os.path.join(export_path, "best.json"), json.dumps(record))
            _delete_others(path)
        logger.info("%s: %s %.6g is the best so far (%s)", self._name, self._metric, value, path)
        return path

    def _is_better(self, value: float, best: float | None) -> bool:
        if best is None or best != best:
            return True
        return value > best if self._higher_is_better else value < best


def _remembered(directory: str) -> float | None:
    path = os.path.join(directory, "best.json")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return float(json.load(file)["value"])


def _keep(checkpoint: str, directory: str) -> str:
    """Copies the checkpoint and names it in ``directory``'s ``checkpoint`` file."""
    os.makedirs(directory, exist_ok=True)
    name = os.path.basename(checkpoint)
    data = glob.glob(f"{glob.escape(checkpoint)}.data-*")
    for source in [*data, f"{checkpoint}.index"]:
        target = os.path.join(directory, os.path.basename(source))
        shutil.copyfile(source, f"{target}.tmp")
        os.replace(f"{target}.tmp", target)
    checkpoints.write_state(directory, [(name, time.time())])
    return os.path.join(directory, name)


def _delete_others(kept: str) -> None:
    for path in glob.glob(os.path.join(glob.escape(os.path.dirname(kept)), "model.ckpt-*.index")):
        prefix = path.removesuffix(".index")
        if os.path.basename(prefix) != os.path.basename(kept):
            checkpoints.delete(prefix)
