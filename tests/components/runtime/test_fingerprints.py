"""A stage is skipped only if nothing that it depends on has changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from components.artifacts.values import Examples, Rows, SourceFile
from components.config import GateConfig, TrainingConfig
from components.runtime.fingerprints import ROOT, code_digest, fingerprint, reachable_modules


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project: stage -> helper, and a bystander."""
    package = tmp_path / "components"
    package.mkdir()
    (package / "__init__.py").write_text('"""Stages."""\n')
    (package / "stage.py").write_text("from components import helper\n\nX = helper.Y\n")
    (package / "helper.py").write_text("import json\n\nY = 1  # one\n")
    (package / "bystander.py").write_text("Z = 1\n")
    return tmp_path


def _digest(tree: Path) -> str:
    code_digest.cache_clear()
    return code_digest("components.stage", tree)


def test_an_edit_of_the_stage_changes_its_code_digest(tree: Path) -> None:
    before = _digest(tree)
    (tree / "components" / "stage.py").write_text("from components import helper\n\nX = 2\n")
    assert _digest(tree) != before


def test_an_edit_of_what_the_stage_imports_changes_its_code_digest(tree: Path) -> None:
    before = _digest(tree)
    (tree / "components" / "helper.py").write_text("import json\n\nY = 2  # one\n")
    assert _digest(tree) != before


def test_an_unrelated_file_beside_the_stage_changes_nothing(tree: Path) -> None:
    before = _digest(tree)
    (tree / "components" / "bystander.py").write_text("Z = 2\n")
    (tree / "components" / "new.py").write_text("A = 1\n")
    assert _digest(tree) == before


def test_a_comment_or_a_docstring_changes_nothing(tree: Path) -> None:
    before = _digest(tree)
    (tree / "components" / "helper.py").write_text('"""Help."""\n\nimport json\n\nY = 1  # eins\n')
    assert _digest(tree) == before


def test_deferred_and_relative_parents_are_followed(tree: Path) -> None:
    (tree / "components" / "stage.py").write_text(
        "def run():\n    import components.helper\n    return components.helper.Y\n"
    )
    code_digest.cache_clear()
    found = reachable_modules("components.stage", tree)
    assert found == {"components", "components.stage", "components.helper"}


def test_the_settings_of_another_stage_change_nothing() -> None:
    examples = Examples(path="somewhere", digest="d")
    inputs = (examples, TrainingConfig())
    assert fingerprint("components.training.train", inputs) == fingerprint(
        "components.training.train", inputs
    )
    assert "components.evaluation.gate" not in reachable_modules("components.training.train", ROOT)


def test_a_setting_of_the_stage_changes_its_fingerprint() -> None:
    before = fingerprint("components.evaluation.gate", (GateConfig(),))
    after = fingerprint(
        "components.evaluation.gate", (dataclasses.replace(GateConfig(), min_examples=7),)
    )
    assert before != after


def test_another_number_of_workers_is_another_model_for_its_numbers_round_differently() -> None:
    def trained_by(workers: int) -> str:
        inputs = (Examples(path="somewhere", digest="d"), TrainingConfig(workers=workers))
        return fingerprint("components.training.train", inputs)

    assert trained_by(1) != trained_by(2)
    assert trained_by(2) == trained_by(2)


def test_the_code_that_workers_train_with_counts() -> None:
    reached = reachable_modules("components.training.train", ROOT)
    assert {
        "components.training.fit",
        "components.training.datasets",
        "rnn_core.loops.training",
    } <= reached


def test_other_content_behind_the_same_path_changes_the_fingerprint() -> None:
    def rows(digest: str) -> Rows:
        return Rows(files=(SourceFile("rows.jsonl", None, digest, 9),), digest=digest)

    assert fingerprint("components.data.examples", (rows("a"),)) != fingerprint(
        "components.data.examples", (rows("b"),)
    )


def test_training_does_not_depend_on_what_only_the_gate_uses() -> None:
    reached = reachable_modules("components.training.train", ROOT)
    assert reached.isdisjoint(
        {
            "components.evaluation.gate",
            "components.tracking.tracker",
            "components.registry.registry",
        }
    )
