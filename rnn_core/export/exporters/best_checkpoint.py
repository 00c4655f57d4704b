"""The exporter that keeps the checkpoint of the best evaluation."""

from __future__ import annotations

import json
import logging
import math
import shutil
from pathlib import Path

from rnn_core.errors import ArgumentError
from rnn_core.export.exporters.base import Exporter, Metrics
from rnn_core.export.methods import ExportMethods
from rnn_core.storage import checkpoints
from rnn_core.storage.files import read_json, storage_errors, with_prefix, write_text

logger = logging.getLogger("rnn_core")

_RECORD = "best.json"


class BestCheckpointExporter(Exporter):
    """Keeps the checkpoint of the best evaluation, across restarts.

    It is in ``<model_dir>/export/<name>`` as ``model.ckpt-N.*`` with a ``checkpoint`` file;
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
        estimator: ExportMethods,
        export_path: str,
        checkpoint_path: str,
        eval_result: Metrics,
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
        record = read_json(Path(export_path) / _RECORD)
        if record is not None and not self._is_better(value, float(record["value"])):
            return None
        with storage_errors(export_path):
            path = _keep(checkpoint_path, export_path)
            record = {"metric": self._metric, "value": value, "path": Path(path).name}
            write_text(Path(export_path) / _RECORD, json.dumps(record))
            for index in list(Path(export_path).glob("model.ckpt-*.index")):
                if index.stem != Path(path).name:
                    checkpoints.delete(str(index.with_suffix("")))
        logger.info("%s: %s %.6g is the best so far (%s)", self._name, self._metric, value, path)
        return path

    def _is_better(self, value: float, best: float) -> bool:
        if math.isnan(best):
            return True
        return value > best if self._higher_is_better else value < best


def _keep(checkpoint: str, directory: str) -> str:
    """Copies the checkpoint and names it in ``directory``'s ``checkpoint`` file."""
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    for source in with_prefix(checkpoint):
        kind = source.name.removeprefix(f"{Path(checkpoint).name}.")
        if kind == "index" or kind.startswith("data-"):
            # Renamed when it is whole: a process that dies here leaves no half a checkpoint.
            temporary = target / f"{source.name}.tmp"
            shutil.copyfile(source, temporary)
            temporary.replace(target / source.name)
    name = Path(checkpoint).name
    checkpoints.write_state(directory, [name])
    return str(target / name)
