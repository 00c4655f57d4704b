from __future__ import annotations

from pathlib import Path

from components.registry.versions import (
    DECISION_TAG,
    aliases_by_version,
    list_versions,
    search_versions,
)
from components.tracking.client import connect

pytest_plugins = ["tests.components.mlflow_fixtures"]


def test_a_model_that_is_not_registered_has_no_versions(store: str) -> None:
    assert list_versions("nowhere", store) == ()
    assert aliases_by_version(connect(store), "nowhere") == {}


def test_versions_are_listed_newest_first_with_all_that_is_known(
    store: str, tmp_path: Path
) -> None:
    client = connect(store)
    name = tmp_path.name
    client.create_registered_model(name)
    for _ in range(12):
        client.create_model_version(name, source=str(tmp_path), tags={DECISION_TAG: "refused"})
    for alias in ("previous", "best"):
        client.set_registered_model_alias(name, alias, "11")
    found = list_versions(name, store)
    assert [one.version for one in found] == list(range(12, 0, -1))
    assert found[1].aliases == ("best", "previous")
    assert found[0].decision == "refused"
    assert found[0].created_milliseconds >= found[-1].created_milliseconds > 0


def test_a_name_with_a_quote_is_found(store: str) -> None:
    client = connect(store)
    client.create_registered_model("anna's")
    client.create_model_version("anna's", source="/nowhere")
    assert [one.version for one in list_versions("anna's", store)] == [1]
    assert search_versions(client, 'name = "anna\'s"')
