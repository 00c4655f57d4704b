"""The interface of exporters."""

from __future__ import annotations

import pytest

from rnn_core import BestCheckpointExporter, BestExporter, Exporter, FinalExporter, LatestExporter


@pytest.mark.parametrize(
    "kind", [BestCheckpointExporter, BestExporter, FinalExporter, LatestExporter]
)
def test_every_exporter_is_one(kind: type) -> None:
    assert issubclass(kind, Exporter)


def test_an_exporter_needs_a_name_and_a_method() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Exporter()  # type: ignore[abstract]
