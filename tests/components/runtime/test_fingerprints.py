"""A stage is skipped only if nothing that it depends on has changed."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from components.artifacts.values import Examples, Rows, SourceFile
from components.config import TrainingConfig
from components.gate_config import GateConfig
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


@pytest.mark.slow
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


def test_a_name_of_a_package_leads_to_its_own_module_only(tree: Path) -> None:
    package = tree / "components"
    (package / "__init__.py").write_text(
        "from components.bystander import Z\nfrom components.helper import Y\n"
    )
    (package / "stage.py").write_text("import components\n\nX = components.Y\n")
    code_digest.cache_clear()
    assert reachable_modules("components.stage", tree) == {
        "components", "components.helper", "components.stage",
    }  # fmt: skip


def test_a_name_that_is_given_on_with_all_others_leads_to_its_own_module(tree: Path) -> None:
    package = tree / "components"
    (package / "__init__.py").write_text("if 1:\n    from components.public import *\n")
    (package / "public.py").write_text(
        "from components.bystander import Z\nfrom components.helper import Y\n"
    )
    (package / "stage.py").write_text("import components\n\nX = components.Y\n")
    code_digest.cache_clear()
    assert reachable_modules("components.stage", tree) == {
        "components", "components.helper", "components.public", "components.stage",
    }  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages, to be edited."""
    root = tmp_path_factory.mktemp("copy")
    for package in ("components", "rnn_core"):
        shutil.copytree(
            ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__", "*.so")
        )
    return root


def _changes(copy: Path, module: str, file: str, added: str) -> bool:
    """Whether ``added`` at the end of ``file`` changes what identifies a stage's code."""
    path = copy / file
    text = path.read_text()
    code_digest.cache_clear()
    before = code_digest(module, copy)
    path.write_text(text + added)
    code_digest.cache_clear()
    try:
        return code_digest(module, copy) != before
    finally:
        path.write_text(text)


_MODEL = "components.training.train"


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    [
        "components/training/fit.py",
        "components/training/datasets.py",
        "rnn_core/estimators/classifier.py",
        "rnn_core/export/exporters/best_checkpoint.py",
        "rnn_core/graph/initializers.py",
        "rnn_core/heads/multi_class.py",
        "rnn_core/kernels/build.py",
        "rnn_core/loops/training.py",
        "rnn_core/models/cells.py",
        "rnn_core/optimizers/update_rules.py",
    ],
)
def test_code_that_decides_weights_trains_again(copy: Path, file: str) -> None:
    assert _changes(copy, _MODEL, file, "\nADDED = 1\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recurrence.cc", "recurrence.h", "exchange.h", "layout.h"])
def test_the_native_sources_decide_weights_and_their_comments_do_not(copy: Path, name: str) -> None:
    file = f"rnn_core/kernels/{name}"
    assert _changes(copy, _MODEL, file, "\nstatic const int added = 1;\n")
    assert not _changes(copy, _MODEL, file, "\n// added\n/* and\nadded */\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    [
        "components/evaluation/gate.py",
        "components/export/export.py",
        "components/report/render.py",
        "rnn_core/export/exporters/saved_models.py",
        "rnn_core/export/saved_model.py",
        "rnn_core/hooks/logging_hooks.py",
        "rnn_core/storage/summaries.py",
    ],
)
def test_code_that_only_reports_or_serves_does_not_train_again(copy: Path, file: str) -> None:
    assert not _changes(copy, _MODEL, file, "\nADDED = 1\n")


@pytest.mark.parametrize("file", ["rnn_core/__init__.py", "rnn_core/public.py"])
def test_another_name_in_the_public_list_trains_nothing_again(copy: Path, file: str) -> None:
    assert not _changes(copy, _MODEL, file, "\nimport json\n")


def test_what_writes_a_saved_model_exports_again(copy: Path) -> None:
    assert _changes(copy, "components.export.export", "rnn_core/export/predictor.py", "\nA = 1\n")
    assert _changes(copy, "components.export.export", "rnn_core/heads/classes.py", "\nA = 1\n")


def test_examples_depend_on_nothing_of_the_estimator(copy: Path) -> None:
    assert not _changes(copy, "components.data.examples", "rnn_core/models/cells.py", "\nA = 1\n")
