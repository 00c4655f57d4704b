"""Which version answers: the champion, as long as it loads and the registry is there."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest

from components.artifacts.values import Decision
from components.errors import NotFoundError
from components.registry.registry import promote, register_model
from components.serving.host import ModelHost, Registry
from components.serving.limits import Batching, Limits
from components.serving.metrics import Metrics
from components.tracking.client import connect
from tests.components.mlflow_server import free_port
from tests.components.toy_export import Summing, ToyExport, make_toy_export

pytest_plugins = ["tests.components.mlflow_fixtures"]

NAME = "hosted"
REFUSED = Decision(False, "accuracy 0.4 is below 0.5", (), None)


@pytest.fixture(scope="module")
def versions(toy: ToyExport, store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The store, with two versions that load and one that does not."""
    broken = make_toy_export(tmp_path_factory.mktemp("broken"), Summing((1.0, 2.0, 3.0)))
    (broken.saved_model / "saved_model.pb").write_bytes(b"no model")
    for digest, each in (("one", toy), ("two", toy), ("three", broken)):
        export = dataclasses.replace(each.export, digest=digest)
        register_model(export, REFUSED, name=NAME, tracking_uri=store, run_id=None)
    return store


def _promote(store: str, version: int) -> None:
    promote(NAME, version, tracking_uri=store, reason="for a test")


@pytest.fixture
def registry(versions: str, tmp_path: Path) -> Registry:
    _promote(versions, 1)
    return Registry(NAME, versions, tmp_path)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def host(registry: Registry, metrics: Metrics) -> ModelHost:
    host = ModelHost(registry, Limits(), Batching(), metrics)
    host.load_first()
    return host


def _value(metrics: Metrics, line: str) -> float:
    lines = metrics.text().decode().splitlines()
    return float(next((each.split()[-1] for each in lines if each.startswith(f"{line} ")), "0"))


def test_who_has_no_champion_is_told_how_to_get_one(registry: Registry, metrics: Metrics) -> None:
    nobody = dataclasses.replace(registry, name="nobody")
    with pytest.raises(NotFoundError, match="rnnflow promote nobody VERSION"):
        ModelHost(nobody, Limits(), Batching(), metrics).load_first()


def test_a_request_keeps_the_version_with_which_it_began(
    host: ModelHost, metrics: Metrics, versions: str
) -> None:
    with host.leased() as before:
        _promote(versions, 2)
        host.look(1.0)
        assert before.version == 1
        with host.leased() as after:
            assert after.version == 2
        assert not before.acquire()  # nobody begins with it any more
    assert _value(metrics, f'rnnflow_model_version{{model="{NAME}"}}') == 2
    assert _value(metrics, "rnnflow_model_swaps_total") == 1


def test_a_version_that_does_not_load_is_tried_again_ever_less_often(
    host: ModelHost, metrics: Metrics, versions: str, caplog: pytest.LogCaptureFixture
) -> None:
    refused = 'rnnflow_refused_versions_total{version="3"}'
    _promote(versions, 3)
    with caplog.at_level(logging.ERROR, "rnnflow.serving"):
        host.look(3600.0)
        host.look(3600.0)  # too soon: it is not tried
        assert _value(metrics, refused) == 1
        assert host.model.version == 1
        _promote(versions, 2)
        host.look(3600.0)
        assert host.model.version == 2
        _promote(versions, 3)
        host.look(0.0)
        host.look(0.0)
    assert _value(metrics, refused) == 3
    # Once for each time that it became the champion.
    assert [record.getMessage()[:27] for record in caplog.records] == [
        "version 3 is the champion, "
    ] * 2
    assert "version 1 goes on: the SavedModel at" in caplog.records[0].getMessage()


def test_a_registry_that_is_away_leaves_the_version_that_serves(
    host: ModelHost,
    metrics: Metrics,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nowhere = f"http://user:secret@127.0.0.1:{free_port()}"
    with caplog.at_level(logging.INFO, "rnnflow.servers"):
        with monkeypatch.context() as patch:
            patch.setattr(host, "_registry", dataclasses.replace(registry, tracking_uri=nowhere))
            host.look(1.0)
            host.look(1.0)
            assert _value(metrics, "rnnflow_registry_up") == 0
            assert host.model.version == 1
        host.look(1.0)
    assert _value(metrics, "rnnflow_registry_up") == 1
    first, second = (record.getMessage() for record in caplog.records)
    assert "does not answer" in first
    assert "version 1 goes on serving" in first
    assert "secret" not in first
    assert "answers again" in second


def test_without_a_champion_the_last_one_goes_on(
    host: ModelHost, versions: str, caplog: pytest.LogCaptureFixture
) -> None:
    connect(versions).delete_registered_model_alias(NAME, "champion")
    with caplog.at_level(logging.WARNING, "rnnflow.serving"):
        host.look(1.0)
        host.look(1.0)
    assert host.model.version == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{NAME} has no champion any more; version 1 goes on serving"
    ]


def test_it_follows_the_champion_in_a_thread_until_it_is_closed(
    host: ModelHost, versions: str
) -> None:
    host.follow(0.01)
    _promote(versions, 2)
    for _ in range(6000):
        if host.model.version == 2:
            break
        host._ended.wait(0.01)
    assert host.model.version == 2
    assert host.close(60.0)
    assert not host.model.acquire()
