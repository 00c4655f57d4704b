"""The three export methods of an estimator."""

from __future__ import annotations

from pathlib import Path

import pytest

import rnn_core
from tests.rnn_core.export import samples

MODES = rnn_core.ModeKeys


def tags(path: str) -> list[str]:
    return [",".join(graph.meta_info_def.tags) for graph in samples.read(path).meta_graphs]


@pytest.mark.slow
def test_one_graph_is_exported_for_the_mode_asked_for(
    estimator: rnn_core.RNNClassifier, tmp_path: Path
) -> None:
    served = estimator.export_saved_model(tmp_path, samples.raw_receiver)
    evaluated = estimator.export_saved_model(
        tmp_path, samples.supervised_receiver, experimental_mode=MODES.EVAL
    )
    assert (tags(served), tags(evaluated)) == (["serve"], ["eval"])
    assert Path(served).parent == tmp_path


@pytest.mark.slow
def test_the_old_name_warns_and_exports_the_same(
    estimator: rnn_core.RNNClassifier, tmp_path: Path
) -> None:
    with pytest.warns(DeprecationWarning, match="use export_saved_model"):
        path = estimator.export_savedmodel(tmp_path, samples.raw_receiver)
    (graph,) = samples.read(path).meta_graphs
    assert "predict" in graph.signature_def
    assert not graph.meta_info_def.stripped_default_attrs


def test_without_a_receiver_function_nothing_is_exported(
    estimator: rnn_core.RNNClassifier, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="input receiver function"):
        estimator.export_saved_model(tmp_path, None)
    with pytest.raises(ValueError, match="input receiver function"):
        estimator.experimental_export_all_saved_models(tmp_path, {})
