"""The exporter that keeps the checkpoint of the best evaluation."""

from __future__ import annotations

import json
import logging
import math

from rnn_core.errors import ArgumentError
from rnn_core.export.exporters.base import Exporter, Metrics
from rnn_core.export.methods import ExportMethods
from rnn_core.storage import checkpoints
from rnn_core.storage.files import (
    copy,
    join,
    make_directory,
    name_of,
    read_json,
    rename,
    storage_errors,
    with_prefix,
    write_text,
)

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
        record = read_json(join(export_path, _RECORD))
        if record is not None and not self._is_better(value, float(record["value"])):
            return None
        with storage_errors(export_path):
            path = _keep(checkpoint_path, export_path)
            record = {"metric": self._metric, "value": value, "path": name_of(path)}
            # After the copy: a kill in between leaves the old value, by which the same checkpoint
            # is better once more. The one before is deleted last, when nothing names it.
            write_text(join(export_path, _RECORD), json.dumps(record))
            for other in checkpoints.names_of_all(export_path):
                if other != name_of(path):
                    checkpoints.delete(join(export_path, other))
        logger.info("%s: %s %.6g is the best so far (%s)", self._name, self._metric, value, path)
        return path

    def _is_better(self, value: float, best: float) -> bool:
        if math.isnan(best):
            return True
        return value > best if self._higher_is_better else value < best


def _keep(checkpoint: str, directory: str) -> str:
    """Copies the checkpoint and names it in ``directory``'s ``checkpoint`` file."""
    name = name_of(checkpoint)
    make_directory(directory)
    for source in with_prefix(checkpoint):
        kind = name_of(source).removeprefix(f"{name}.")
        if kind == "index" or kind.startswith("data-"):
            # Renamed when it is whole: a process that dies here leaves no half a checkpoint.
            target = join(directory, name_of(source))
            copy(source, f"{target}.tmp")
            rename(f"{target}.tmp", target)
    checkpoints.write_state(directory, [name])
    return join(directory, name)
