"""The compose file: valid, closed to the outside, no secret in it, nothing left to chance."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from pipelines.upkeep.killed_runs import SKIPPED, STATE_NAMES

Services = dict[str, dict[str, Any]]

SECRET = re.compile(r"PASSWORD|SECRET|AUTH_STRING|TOKEN")
REQUIRED = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")
ONCE = {"automation", "pipeline-user"}
"""Services that do one thing and end."""


def test_it_conforms_to_the_compose_specification(compose_text: str) -> None:
    # Through JSON: the parser takes no YAML merge keys, which compose itself resolves.
    compose_spec.PyCompose.from_json(json.dumps(yaml.safe_load(compose_text))).validate()


@pytest.mark.parametrize(
    ("correct", "wrong"),
    [
        ("restart: unless-stopped", "restart: sometimes"),
        ("networks: [database]", "networks: [databse]"),
        ("condition: service_healthy", "condition: healthy"),
        ("interval: 15s", "interval: soon"),
    ],
)
def test_the_check_against_the_specification_finds_mistakes(
    compose_text: str, correct: str, wrong: str
) -> None:
    damaged = json.dumps(yaml.safe_load(compose_text.replace(correct, wrong)))
    with pytest.raises(ValueError, match=wrong.split()[-1].strip("[]")):
        compose_spec.PyCompose.from_json(damaged).validate()


def test_every_secret_comes_from_the_environment_and_must_be_there(services: Services) -> None:
    secrets = {
        (name, key): value
        for name, service in services.items()
        for key, value in service.get("environment", {}).items()
        if SECRET.search(key)
    }
    assert len(secrets) >= 8
    assert [where for where, value in secrets.items() if not REQUIRED.fullmatch(value)] == []


def test_no_address_carries_a_password(compose_text: str, infra: Path) -> None:
    texts = [compose_text, (infra / "shared" / "basic_auth.ini").read_text(encoding="utf-8")]
    assert [re.findall(r"\w+://[^/\s@]*:[^/\s@]*@", text) for text in texts] == [[], []]


def test_each_required_variable_is_listed_in_the_example_without_a_value(
    compose_text: str, infra: Path
) -> None:
    lines = (infra / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    required = set(re.findall(r"\$\{([A-Z_]+):\?", compose_text))
    assert required <= set(example)
    assert {name: example[name] for name in required if SECRET.search(name)} == {
        name: "" for name in required if SECRET.search(name)
    }


def test_the_file_with_the_secrets_is_ignored_by_git(infra: Path) -> None:
    assert ".env" in (infra / ".gitignore").read_text(encoding="utf-8").split()


def test_ports_are_open_to_this_machine_only(services: Services) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_are_pinned(services: Services) -> None:
    tags = {service["image"].partition(":")[2] for service in services.values()}
    assert all(re.match(r"\d+\.\d+", tag) for tag in tags)


def test_mlflow_asks_for_a_password_and_knows_its_host_names(services: Services) -> None:
    arguments = services["mlflow"]["entrypoint"]
    assert "--app-name=basic-auth" in arguments
    hosts = next(item for item in arguments if item.startswith("--allowed-hosts="))
    names = hosts.partition("=")[2].split(",")
    assert "*" not in hosts
    # MLflow compares the whole Host header, port included.
    client = services["worker"]["environment"]["MLFLOW_TRACKING_URI"].removeprefix("http://")
    assert client in names
    assert services["mlflow"]["ports"] == ["127.0.0.1:5000:5000"]
    assert {"127.0.0.1:5000", "localhost:5000"} <= set(names)


def test_the_pipeline_is_not_the_administrator_of_mlflow(services: Services) -> None:
    server, maker, worker = (
        services[name]["environment"] for name in ("mlflow", "pipeline-user", "worker")
    )
    for kind in ("USERNAME", "PASSWORD"):
        administrator, user = server[f"MLFLOW_AUTH_ADMIN_{kind}"], worker[f"MLFLOW_TRACKING_{kind}"]
        assert administrator != user
        assert maker[f"MLFLOW_TRACKING_{kind}"] == administrator
        assert maker[f"MLFLOW_PIPELINE_{kind}"] == user


def test_prefect_asks_for_the_password_that_its_clients_send(services: Services) -> None:
    asked = services["prefect"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"]
    for client in ("worker", "automation"):
        assert services[client]["environment"]["PREFECT_API_AUTH_STRING"] == asked


def test_both_servers_keep_their_records_in_postgresql(services: Services, infra: Path) -> None:
    store = [item for item in services["mlflow"]["entrypoint"] if "--backend-store-uri" in item]
    assert store == ["--backend-store-uri=postgresql://mlflow@postgres:5432/mlflow"]
    users = configparser.ConfigParser()
    users.read(infra / "shared" / "basic_auth.ini")
    assert users["mlflow"]["database_uri"] == "postgresql://mlflow@postgres:5432/mlflow_auth"
    prefect = services["prefect"]["environment"]
    assert prefect["PREFECT_SERVER_DATABASE_DRIVER"] == "postgresql+asyncpg"
    script = (infra / "shared" / "create-databases.sh").read_text(encoding="utf-8")
    calls = [line for line in script.splitlines() if line.startswith("create ")]
    made = {line.split()[1]: line.rpartition('"')[2].split() for line in calls}
    assert made == {"mlflow": ["mlflow", "mlflow_auth"], "prefect": ["prefect"]}


def test_artifacts_go_through_the_server(services: Services) -> None:
    arguments = services["mlflow"]["entrypoint"]
    assert "--serve-artifacts" in arguments
    destination = next(a for a in arguments if a.startswith("--artifacts-destination="))
    mounts = [volume.split(":")[1] for volume in services["mlflow"]["volumes"]]
    assert any(destination.partition("=")[2].startswith(mount) for mount in mounts)


@pytest.mark.parametrize(
    "name", ["postgres", "mlflow", "prefect", "automation", "pipeline-user", "worker"]
)
def test_each_service_is_bounded_and_has_no_rights_to_gain(services: Services, name: str) -> None:
    service = services[name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("on-failure" if name in ONCE else "unless-stopped")


@pytest.mark.parametrize("name", ["mlflow", "prefect", "automation", "pipeline-user", "worker"])
def test_what_runs_our_image_is_neither_root_nor_able_to_change_it(
    services: Services, name: str
) -> None:
    assert services[name]["user"] == "1000:1000"
    assert services[name]["read_only"] is True


def test_servers_are_healthy_before_their_clients_start(services: Services) -> None:
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            finished = needed in ONCE
            expected = "service_completed_successfully" if finished else "service_healthy"
            assert how["condition"] == expected
            assert finished or "healthcheck" in services[needed]


def test_volumes_that_are_used_exist(services: Services, compose_text: str, infra: Path) -> None:
    declared = set(yaml.safe_load(compose_text)["volumes"])
    sources = {v.split(":")[0] for service in services.values() for v in service.get("volumes", [])}
    files = {source for source in sources if source.startswith("./")}
    assert sources - files == declared
    assert all((infra / file).is_file() for file in files)


def test_the_database_and_the_worker_reach_nothing_outside(
    services: Services, compose_text: str
) -> None:
    networks = yaml.safe_load(compose_text)["networks"]
    for name in ("postgres", "worker", "automation", "pipeline-user"):
        assert all(networks[network]["internal"] for network in services[name]["networks"])
    assert "database" not in services["worker"]["networks"]


def test_a_killed_run_is_noticed_within_its_automation_s_patience(
    services: Services, infra: Path
) -> None:
    text = (infra / "shared" / "killed_runs.yaml").read_text(encoding="utf-8")
    patience = yaml.safe_load(text)["automations"][0]["trigger"]["within"]
    beat = int(services["worker"]["environment"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
    assert 2 * beat < patience


def test_a_run_that_ended_in_any_way_is_not_taken_for_a_killed_one(infra: Path) -> None:
    text = (infra / "shared" / "killed_runs.yaml").read_text(encoding="utf-8")
    ends = yaml.safe_load(text)["automations"][0]["trigger"]["expect"]
    # Prefect names the event of a state after the state's name: those of its own, and of a run.
    names = {"Completed", "Failed", "Cancelled", "Crashed", SKIPPED, *STATE_NAMES.values()}
    assert {f"prefect.flow-run.{name}" for name in names} <= set(ends)
