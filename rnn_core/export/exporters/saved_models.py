"""The exporters of SavedModels: after every evaluation, or at the end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from rnn_core.errors import ArgumentError
from rnn_core.export.exporters.base import Exporter, Metrics
from rnn_core.export.methods import ExportMethods
from rnn_core.export.receiver_fns import ReceiverFn
from rnn_core.storage.files import join, names_in, remove

_DIGITS: Final = 10
"""Of a directory's name: seconds since 1970."""


class SavedModelExporter(Exporter):
    """Exports with ``Estimator.export_saved_model`` and deletes the oldest of too many."""

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: ReceiverFn | None,
        assets_extra: Mapping[str, str] | None,
        as_text: bool,
        exports_to_keep: int | None = None,
    ) -> None:
        if exports_to_keep is not None and exports_to_keep <= 0:
            raise ArgumentError(
                f"exports_to_keep: expected a positive number, or None for all, got "
                f"{exports_to_keep}."
            )
        self._name = name
        self._serving_input_receiver_fn = serving_input_receiver_fn
        self._assets_extra = assets_extra
        self._as_text = as_text
        self._exports_to_keep = exports_to_keep

    @property
    def name(self) -> str:
        """Name of the directory below ``<model_dir>/export``."""
        return self._name

    def _export(self, estimator: ExportMethods, export_path: str, checkpoint_path: str) -> str:
        exported: str = estimator.export_saved_model(
            export_path,
            self._serving_input_receiver_fn,
            assets_extra=self._assets_extra,
            as_text=self._as_text,
            checkpoint_path=checkpoint_path,
        )
        if self._exports_to_keep is not None:
            for old in exports(export_path)[: -self._exports_to_keep]:
                with suppress(OSError):
                    remove(old)
        return exported


class LatestExporter(SavedModelExporter):
    """Exports after every evaluation and keeps the newest exports.

    Args:
        name: name of the directory below ``<model_dir>/export``.
        serving_input_receiver_fn: takes nothing; returns a ``rnn_core.export`` input receiver.
        assets_extra: source files by their path below ``assets.extra``.
        as_text: whether to write ``saved_model.pbtxt``.
        exports_to_keep: how many; None for all.

    Raises:
        ArgumentError: ``exports_to_keep`` is not positive.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: ReceiverFn,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, exports_to_keep)

    def export(
        self,
        estimator: ExportMethods,
        export_path: str,
        checkpoint_path: str,
        eval_result: Metrics,
        is_the_final_export: bool,
    ) -> str | None:
        """Exports; gives the directory."""
        del eval_result, is_the_final_export
        return self._export(estimator, export_path, checkpoint_path)


class FinalExporter(SavedModelExporter):
    """Exports once, at the end of training; the arguments are those of ``LatestExporter``."""

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: ReceiverFn,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)

    def export(
        self,
        estimator: ExportMethods,
        export_path: str,
        checkpoint_path: str,
        eval_result: Metrics,
        is_the_final_export: bool,
    ) -> str | None:
        """Exports if training has ended; gives the directory, else None."""
        del eval_result
        if not is_the_final_export:
            return None
        return self._export(estimator, export_path, checkpoint_path)


def exports(directory: str) -> list[str]:
    """The exports in ``directory``, the oldest first."""
    # Sorted by name, which for ten digits is by time. Other numbers are directories of the user,
    # and are never deleted.
    named = [name for name in names_in(directory) if name.isdigit() and len(name) == _DIGITS]
    return [join(directory, name) for name in named]
