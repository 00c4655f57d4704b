from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from components.artifacts.values import Decision, Incumbents, Look, RowSet, RuleResult
from components.errors import NotFoundError, RegistryError
from components.export.saved_model import score_saved_model
from components.registry.registry import (
    DIGEST_TAG,
    find_champion,
    find_incumbents,
    list_versions,
    promote,
    register_model,
    rollback,
)
from components.registry.versions import REASON_TAG
from components.tracking.client import connect
from components.tracking.tracker import Tracker
from tests.components.mlflow_server import MlflowServer, free_port
from tests.components.toy_export import ToyExport

pytest_plugins = ["tests.components.mlflow_fixtures"]


def promoted(champion: int | None = None) -> Decision:
    return Decision(True, "Promoted: every rule holds.", (), champion)


REFUSED = Decision(False, "Refused: accuracy 0.4 is below 0.5", (), None)


@pytest.fixture
def name(tmp_path: Path) -> str:
    return tmp_path.name


def test_a_model_without_versions_has_no_champion(store: str, name: str, tmp_path: Path) -> None:
    assert find_champion(name, store, tmp_path) is None
    assert list_versions(name, store) == ()


def test_a_promoted_model_is_the_champion_and_its_copy_answers_the_same(
    store: str, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    version = register_model(toy.export, promoted(), name=name, tracking_uri=store, run_id=None)
    assert (version.version, version.aliases, version.reused) == (1, ("champion",), False)
    champion = find_champion(name, store, tmp_path / "champions")
    assert champion is not None
    assert (champion.name, champion.version, champion.model_digest) == (name, 1, "toy-digest")
    _, probabilities, _ = score_saved_model(Path(champion.path), toy.records, 2)
    np.testing.assert_allclose(probabilities, toy.probabilities, atol=1e-6)
    (listed,) = list_versions(name, store)
    assert listed.decision == "promoted"


def test_a_champion_is_fetched_once(store: str, name: str, tmp_path: Path, toy: ToyExport) -> None:
    register_model(toy.export, promoted(), name=name, tracking_uri=store, run_id=None)
    first = find_champion(name, store, tmp_path)
    assert first is not None
    graph = Path(first.path) / "saved_model.pb"
    before = graph.stat().st_mtime_ns
    assert find_champion(name, store, tmp_path) == first
    assert graph.stat().st_mtime_ns == before


def test_a_copy_of_the_champion_that_was_damaged_is_fetched_again(
    store: str, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    register_model(toy.export, promoted(), name=name, tracking_uri=store, run_id=None)
    first = find_champion(name, store, tmp_path)
    assert first is not None
    graph = Path(first.path) / "saved_model.pb"
    content = graph.read_bytes()
    graph.write_bytes(content[:-1])
    assert find_champion(name, store, tmp_path) == first
    assert graph.read_bytes() == content


def test_files_that_somebody_put_in_the_place_of_the_champion_are_refused(
    store: str, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    register_model(toy.export, promoted(), name=name, tracking_uri=store, run_id=None)
    uri = connect(store).get_model_version_download_uri(name, "1")
    stored = Path(uri.removeprefix("file://")) / "artifacts" / "saved_model"
    (stored / "variables" / "variables.index").write_bytes(b"another model")
    with pytest.raises(RegistryError, match=r"version 1 .* are not those that were registered"):
        find_champion(name, store, tmp_path)


def test_a_refused_model_is_registered_without_an_alias_and_with_the_reason(
    store: str, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    version = register_model(toy.export, REFUSED, name=name, tracking_uri=store, run_id=None)
    assert (version.version, version.aliases) == (1, ())
    (listed,) = list_versions(name, store)
    assert listed.decision == "refused"
    tags = connect(store).get_model_version(name, "1").tags
    assert tags[REASON_TAG] == "Refused: accuracy 0.4 is below 0.5"
    assert find_champion(name, store, tmp_path) is None


def test_the_same_model_gets_no_second_version_and_the_newest_decision(
    store: str, name: str, toy: ToyExport
) -> None:
    register_model(toy.export, REFUSED, name=name, tracking_uri=store, run_id=None)
    again = register_model(toy.export, promoted(), name=name, tracking_uri=store, run_id=None)
    assert (again.version, again.aliases, again.reused) == (1, ("champion",), True)
    (listed,) = list_versions(name, store)
    assert listed.decision == "promoted"
    # The champion itself, compared with itself, stays, with the reason why it became it.
    same = dataclasses.replace(promoted(1), reason="Unchanged: it is version 1.", unchanged=True)
    last = register_model(toy.export, same, name=name, tracking_uri=store, run_id=None)
    assert (last.version, last.aliases, last.reused) == (1, ("champion",), True)
    version = connect(store).get_model_version(name, "1")
    assert version.tags[REASON_TAG] == "Promoted: every rule holds."
    assert str(version.description).startswith("Promoted: every rule holds.")


def test_the_pages_of_a_model_and_a_version_say_what_they_are_rule_by_rule(
    store: str, name: str, toy: ToyExport
) -> None:
    rules = (
        RuleResult("accuracy.min", True, 0.97, "at least 0.95", "accuracy 0.97 is at least 0.95"),
        RuleResult("ece.max", False, 0.2, "at most 0.1", "ECE 0.2 is above the maximum 0.1"),
    )
    refused = dataclasses.replace(REFUSED, rules=rules)
    register_model(toy.export, refused, name=name, tracking_uri=store, run_id=None)
    client = connect(store)
    assert f"pipeline `{name}`" in str(client.get_registered_model(name).description)
    assert client.get_model_version(name, "1").description == (
        "Refused: accuracy 0.4 is below 0.5\n\n"
        "- ✓ accuracy 0.97 is at least 0.95\n- ✕ ECE 0.2 is above the maximum 0.1"
    )


def test_what_a_person_wrote_about_a_model_and_a_version_is_kept(
    store: str, name: str, toy: ToyExport
) -> None:
    client = connect(store)
    client.create_registered_model(name, description="Ours.")
    register_model(toy.export, REFUSED, name=name, tracking_uri=store, run_id=None)
    client.update_model_version(name, "1", "The one for the trade fair.")
    register_model(toy.export, promoted(), name=name, tracking_uri=store, run_id=None)
    assert client.get_registered_model(name).description == "Ours."
    assert client.get_model_version(name, "1").description == "The one for the trade fair."
    assert client.get_model_version(name, "1").tags[REASON_TAG] == "Promoted: every rule holds."


def test_a_decision_of_any_length_fits_the_columns_of_postgresql(
    postgresql_server: MlflowServer, name: str, toy: ToyExport
) -> None:
    rules = tuple(RuleResult(f"r{i}", False, None, "", "too low " * 20) for i in range(100))
    decision = Decision(False, "Refused: " + "too low " * 1000, rules, None)
    uri = postgresql_server.uri
    register_model(toy.export, decision, name=name, tracking_uri=uri, run_id=None)
    version = connect(uri).get_model_version(name, "1")
    assert len(str(version.description)) == 5000
    assert len(version.tags[REASON_TAG]) == 5000


def test_a_new_champion_leaves_previous_to_the_last_one_and_a_rollback_returns(
    store: str, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    other = dataclasses.replace(toy.export, digest="other-digest")
    register_model(toy.export, promoted(), name=name, tracking_uri=store, run_id=None)
    version = register_model(other, promoted(1), name=name, tracking_uri=store, run_id=None)
    assert (version.version, version.aliases) == (2, ("champion",))
    assert [one.aliases for one in list_versions(name, store)] == [("champion",), ("previous",)]
    rollback(name, tracking_uri=store, reason="slow")
    champion = find_champion(name, store, tmp_path)
    assert champion is not None
    assert champion.model_digest == "toy-digest"


def test_a_model_that_was_compared_with_an_old_champion_is_registered_but_not_promoted(
    store: str, name: str, toy: ToyExport
) -> None:
    register_model(toy.export, promoted(), name=name, tracking_uri=store, run_id=None)
    other = dataclasses.replace(toy.export, digest="other-digest")
    register_model(other, REFUSED, name=name, tracking_uri=store, run_id=None)
    promote(name, 2, tracking_uri=store, reason="by hand, meanwhile")
    third = dataclasses.replace(toy.export, digest="third-digest")
    with pytest.raises(
        RegistryError,
        match=r"compared it with version 1, .* but version 2 holds the alias .*by hand, meanwhile",
    ):
        register_model(third, promoted(1), name=name, tracking_uri=store, run_id=None)
    listed = list_versions(name, store)
    assert [one.aliases for one in listed] == [(), ("champion",), ("previous",)]
    # It never was the champion, so it is not called promoted.
    assert listed[0].decision == ""


def test_a_version_belongs_to_the_run_that_made_it(
    store: str, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    tracker = Tracker(tmp_path / "runs" / "r" / "tracking.jsonl", store, name)
    tracker.start_run("pipeline", "run", None, {})
    run_id = tracker.run_id("pipeline")
    register_model(toy.export, promoted(), name=name, tracking_uri=store, run_id=run_id)
    client = connect(store)
    assert run_id is not None
    assert client.get_model_version(name, "1").run_id == run_id
    outputs = client.get_run(run_id).outputs
    assert outputs is not None
    (output,) = outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert logged.tags[DIGEST_TAG] == "toy-digest"
    assert str(logged.status) == "READY"


def test_a_champion_of_somebody_else_is_not_found(store: str, name: str, tmp_path: Path) -> None:
    client = connect(store)
    client.create_registered_model(name)
    client.create_model_version(name, source=str(tmp_path))
    promote(name, 1, tracking_uri=store, reason="theirs")
    with pytest.raises(NotFoundError, match="was not registered by rnnflow"):
        find_champion(name, store, tmp_path)


def test_everything_works_through_a_server(
    server: MlflowServer, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    version = register_model(
        toy.export, promoted(), name=name, tracking_uri=server.uri, run_id=None
    )
    assert version.aliases == ("champion",)
    again = register_model(toy.export, promoted(), name=name, tracking_uri=server.uri, run_id=None)
    assert (again.version, again.reused) == (1, True)
    champion = find_champion(name, server.uri, tmp_path)
    assert champion is not None
    _, probabilities, _ = score_saved_model(Path(champion.path), toy.records, 2)
    np.testing.assert_allclose(probabilities, toy.probabilities, atol=1e-6)
    assert [one.aliases for one in list_versions(name, server.uri)] == [("champion",)]


def test_an_absent_server_is_a_registry_error(tmp_path: Path, toy: ToyExport) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RegistryError, match=r"cannot find the champion of m: .*does not answer"):
        find_champion("m", uri, tmp_path)
    with pytest.raises(RegistryError, match=r"cannot register the model m: .*does not answer"):
        register_model(toy.export, promoted(), name="m", tracking_uri=uri, run_id=None)
    with pytest.raises(RegistryError, match=r"cannot list the versions of m: .*does not answer"):
        list_versions("m", uri)


def test_the_reference_stays_behind_until_the_evidence_or_a_person_moves_it(
    store: str, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    def moved(digest: str, champion: int | None, moves_reference: bool) -> None:
        export = dataclasses.replace(toy.export, digest=digest)
        decision = dataclasses.replace(promoted(champion), moves_reference=moves_reference)
        register_model(export, decision, name=name, tracking_uri=store, run_id=None)

    assert find_incumbents(name, store, tmp_path) == Incumbents()
    moved("one", None, True)
    alone = find_incumbents(name, store, tmp_path)
    assert alone.champion is not None
    assert (alone.champion.version, alone.reference) == (1, None)
    moved("two", 1, False)
    both = find_incumbents(name, store, tmp_path)
    assert both.champion is not None
    assert both.reference is not None
    assert (both.champion.version, both.reference.version) == (2, 1)
    assert 0 <= both.past.champion_days <= both.past.reference_days < 1
    aliases = {one.version: one.aliases for one in list_versions(name, store)}
    assert aliases == {2: ("champion",), 1: ("previous", "reference")}
    promote(name, 2, tracking_uri=store, reason="it is the champion already")
    rollback(name, tracking_uri=store, reason="worse in the field")
    back = find_incumbents(name, store, tmp_path)
    assert back.champion is not None
    assert (back.champion.version, back.reference) == (1, None)
    assert {one.aliases for one in list_versions(name, store)} == {("champion",), ()}


def test_a_reference_that_somebody_deleted_is_missing_with_the_reason(
    store: str, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    for digest, champion in (("one", None), ("two", 1)):
        export = dataclasses.replace(toy.export, digest=digest)
        decision = dataclasses.replace(promoted(champion), moves_reference=False)
        register_model(export, decision, name=name, tracking_uri=store, run_id=None)
    connect(store).delete_model_version(name, "1")
    found = find_incumbents(name, store, tmp_path)
    assert found.reference is None
    assert found.past.reference_missing.startswith("version 1 cannot be had (cannot find the ref")


def test_a_refused_candidate_counts_for_its_test_rows_too(
    store: str, name: str, tmp_path: Path, toy: ToyExport
) -> None:
    look = Look(RowSet("rows", ("mark",)), "predictions")
    decision = dataclasses.replace(REFUSED, look=look)
    for _ in range(2):
        register_model(toy.export, decision, name=name, tracking_uri=store, run_id=None)
    (kept,) = find_incumbents(name, store, tmp_path).past.looks
    assert dataclasses.replace(kept, when="") == look
