from __future__ import annotations

from pathlib import Path

from components.artifacts.training_facts import (
    TrainingFacts,
    find_training_facts,
    save_training_facts,
)


def test_what_a_training_took_is_read_back(tmp_path: Path) -> None:
    facts = TrainingFacts(seconds=12.5, parameters=345)
    save_training_facts(tmp_path, facts)
    assert find_training_facts(tmp_path) == facts


def test_a_model_of_an_older_release_has_none(tmp_path: Path) -> None:
    assert find_training_facts(tmp_path) is None
