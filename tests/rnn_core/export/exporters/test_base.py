"""The interface of exporters."""

from __future__ import annotations

import pytest

from rnn_core import (
    BestCheckpointExporter,
    BestExporter,
    Estimator,
    EvalSpec,
    Exporter,
    FinalExporter,
    LatestExporter,
)


@pytest.mark.parametrize(
    "kind", [BestCheckpointExporter, BestExporter, FinalExporter, LatestExporter]
)
def test_every_exporter_is_one(kind: type) -> None:
    assert issubclass(kind, Exporter)


def test_an_exporter_needs_a_name_and_a_method() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Exporter()  # type: ignore[abstract]


class _Recorder:
    """An exporter only by its members, with an annotation that ``Exporter`` would not allow."""

    name = "recorder"

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: dict[str, float],
        is_the_final_export: bool,
    ) -> None:
        del estimator, export_path, checkpoint_path, eval_result, is_the_final_export


def test_an_exporter_needs_no_base_class() -> None:
    alone, listed = EvalSpec(list, exporters=_Recorder()), EvalSpec(list, exporters=[_Recorder()])
    for spec in (alone, listed):
        assert isinstance(spec.exporters, tuple)
        assert [exporter.name for exporter in spec.exporters] == ["recorder"]
