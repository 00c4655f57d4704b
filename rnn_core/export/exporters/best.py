"""The exporter of the best evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from rnn_core import callables
from rnn_core.errors import ArgumentError
from rnn_core.export.exporters.base import Metrics
from rnn_core.export.exporters.saved_models import SavedModelExporter, exports
from rnn_core.export.methods import ExportMethods
from rnn_core.export.receiver_fns import ReceiverFn
from rnn_core.storage.summaries import read_events

CompareFn: TypeAlias = Callable[..., bool]
"""Takes ``best_eval_result`` and ``current_eval_result``; whether the second is better."""


def loss_smaller(best_eval_result: Metrics, current_eval_result: Metrics) -> bool:
    """Whether the ``loss`` of the current evaluation is smaller than that of the best.

    Raises:
        ArgumentError: one of them has no ``loss``.
    """
    both = {"best_eval_result": best_eval_result, "current_eval_result": current_eval_result}
    for name, result in both.items():
        if not result or "loss" not in result:
            raise ArgumentError(f"{name}: expected metrics with loss, got {result!r}.")
    return bool(best_eval_result["loss"] > current_eval_result["loss"])


class BestExporter(SavedModelExporter):
    """Exports when an evaluation is better than all before, also those before a restart.

    Args:
        name: name of the directory below ``<model_dir>/export``.
        serving_input_receiver_fn: takes nothing; returns a ``rnn_core.export`` input receiver.
        event_file_pattern: the event files of the evaluation, below ``model_dir``: evaluations
            of earlier processes. None: only those of this process count.
        compare_fn: takes ``best_eval_result`` and ``current_eval_result``, metrics by name; whether
            the current one is better. By default, whether its ``loss`` is smaller.
        assets_extra: source files by their path below ``assets.extra``.
        as_text: whether to write ``saved_model.pbtxt``.
        exports_to_keep: how many; None for all.

    Raises:
        ArgumentError: ``compare_fn`` takes other arguments, or ``exports_to_keep`` is not positive.
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: ReceiverFn | None = None,
        event_file_pattern: str | None = "eval/*.tfevents.*",
        compare_fn: CompareFn = loss_smaller,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, exports_to_keep)
        self._compare_fn = _checked_compare_fn(compare_fn)
        self._event_file_pattern = event_file_pattern
        self._model_dir: str | None = None
        self._best: Metrics | None = None

    def export(
        self,
        estimator: ExportMethods,
        export_path: str,
        checkpoint_path: str,
        eval_result: Metrics,
        is_the_final_export: bool,
    ) -> str | None:
        """Exports if the evaluation is better, or nothing is exported yet; gives the directory."""
        del is_the_final_export
        if self._model_dir != estimator.model_dir:
            self._model_dir = estimator.model_dir
            self._best = self._best_before(int(eval_result.get("global_step", -1)))
        if self._best is not None and exports(export_path) and not self._better(eval_result):
            return None
        exported = self._export(estimator, export_path, checkpoint_path)
        self._best = dict(eval_result)
        return exported

    def _better(self, current: Metrics) -> bool:
        results = {"best_eval_result": self._best, "current_eval_result": current}
        return bool(callables.call(self._compare_fn, results))

    def _best_before(self, step: int) -> Metrics | None:
        """The best evaluation in the event files, except that of ``step``, which is judged now."""
        self._best = None
        if self._event_file_pattern is None:
            return None
        # The evaluation that is judged now is in the files already: it must not compete with
        # itself.
        events = read_events(str(self._model_dir), self._event_file_pattern)
        for at, metrics in events.items():
            if at != step and (self._best is None or self._better(metrics)):
                self._best = metrics
        return self._best


def _checked_compare_fn(compare_fn: CompareFn) -> CompareFn:
    expected = ("best_eval_result", "current_eval_result")
    arguments = callables.check("compare_fn", compare_fn, expected, expected)
    more = sorted({*arguments.names} - {*expected})
    if more:
        raise ArgumentError(
            f"compare_fn: expected a function of {' and '.join(expected)}, got one that also takes "
            f"{', '.join(more)}. Bind it with functools.partial, or make it keyword-only."
        )
    return compare_fn
