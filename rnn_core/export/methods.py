"""The export methods of an estimator."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping

from rnn_core.export.mode_graph import ModelSource
from rnn_core.export.receiver_fns import ReceiverFn
from rnn_core.export.saved_model import Assets, export_saved_model
from rnn_core.types import ModeKeys


class ExportMethods(ModelSource):
    """Writes the model as a SavedModel, which TensorFlow alone, and TensorFlow Serving, load."""

    def export_saved_model(
        self,
        export_dir_base: str | os.PathLike[str],
        serving_input_receiver_fn: ReceiverFn | None,
        assets_extra: Assets | None = None,
        as_text: bool = False,
        checkpoint_path: str | os.PathLike[str] | None = None,
        experimental_mode: str = ModeKeys.PREDICT,
    ) -> str:
        """Exports one graph into a new directory below ``export_dir_base``; gives its path.

        Args:
            export_dir_base: the new directory in it is named by the time in seconds.
            serving_input_receiver_fn: takes nothing; returns a ``ServingInputReceiver`` or
                ``TensorServingInputReceiver``; see ``rnn_core.export``.
            assets_extra: source files by their path below the export's ``assets.extra``.
            as_text: whether to write ``saved_model.pbtxt`` in place of ``saved_model.pb``.
            checkpoint_path: prefix of the checkpoint; the newest by default.
            experimental_mode: one of ``ModeKeys``; but for ``PREDICT``, the receiver function
                returns a ``SupervisedInputReceiver``.

        Raises:
            ArgumentError: there is no receiver function, no ``export_outputs``, or no such asset.
            CheckpointError: there is no checkpoint, or it is of another model.
            FeatureError, LabelError: the receiver does not fit the model.
            StorageError: ``export_dir_base`` cannot be written.
        """
        receiver_fns = {experimental_mode: serving_input_receiver_fn}
        return export_saved_model(
            self, export_dir_base, receiver_fns, assets_extra, as_text, checkpoint_path
        )

    def experimental_export_all_saved_models(
        self,
        export_dir_base: str | os.PathLike[str],
        input_receiver_fn_map: Mapping[str, ReceiverFn],
        assets_extra: Assets | None = None,
        as_text: bool = False,
        checkpoint_path: str | os.PathLike[str] | None = None,
    ) -> str:
        """As ``export_saved_model``, a graph for each mode: tags ``train``, ``eval``, ``serve``.

        All graphs share one set of variables.

        Args:
            export_dir_base: the new directory in it is named by the time in seconds.
            input_receiver_fn_map: receiver functions by ``ModeKeys``; those for ``EVAL`` and
                ``TRAIN`` return a ``SupervisedInputReceiver``.
            assets_extra: source files by their path below the export's ``assets.extra``.
            as_text: whether to write ``saved_model.pbtxt`` in place of ``saved_model.pb``.
            checkpoint_path: prefix of the checkpoint; the newest by default.
        """
        return export_saved_model(
            self, export_dir_base, input_receiver_fn_map, assets_extra, as_text, checkpoint_path
        )

    def export_savedmodel(
        self,
        export_dir_base: str | os.PathLike[str],
        serving_input_receiver_fn: ReceiverFn,
        assets_extra: Assets | None = None,
        as_text: bool = False,
        checkpoint_path: str | os.PathLike[str] | None = None,
        strip_default_attrs: bool = False,
    ) -> str:
        """The old name of ``export_saved_model``, which a DeprecationWarning says.

        ``strip_default_attrs`` leaves attributes with default values out of the graph, which older
        versions of TensorFlow can then read; ``export_saved_model`` always does.
        """
        warnings.warn(
            "export_savedmodel has a new name: use export_saved_model.",
            DeprecationWarning,
            stacklevel=2,
        )
        return export_saved_model(
            self,
            export_dir_base,
            {ModeKeys.PREDICT: serving_input_receiver_fn},
            assets_extra,
            as_text,
            checkpoint_path,
            strip_default_attrs,
        )
