"""The Kubernetes objects: valid, whole, locked down, and the pipeline's exit codes understood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components.config import LaunchConfig
from components.workers.cluster import find_cluster
from pipelines.config import parse_config

Object = dict[str, Any]
Services = dict[str, dict[str, Any]]

POD_OWNERS = {"Deployment", "StatefulSet", "Job", "CronJob"}


def _pod(item: Object) -> Object:
    spec = item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"]
    return dict(spec["template"])


@pytest.fixture(scope="module")
def pods(objects: list[Object]) -> dict[str, Object]:
    """Pod templates by the name of what owns them."""
    return {o["metadata"]["name"]: _pod(o) for o in objects if o["kind"] in POD_OWNERS}


@pytest.fixture(scope="module")
def containers(pods: dict[str, Object]) -> dict[str, Object]:
    """The one container of each pod."""
    assert all(len(pod["spec"]["containers"]) == 1 for pod in pods.values())
    return {name: pod["spec"]["containers"][0] for name, pod in pods.items()}


@pytest.fixture(scope="module")
def cron_job(objects: list[Object]) -> Object:
    return dict(_named(objects, "CronJob", "pipeline")["spec"])


def _named(objects: list[Object], kind: str, name: str) -> Object:
    found = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"expected one {kind} {name}"
    return found[0]


def _environment(container: Object) -> dict[str, Any]:
    return {item["name"]: item for item in container.get("env", [])}


def _find(value: Any, key: str) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, child in value.items():
            if name == key:
                yield child
            yield from _find(child, key)
    elif isinstance(value, list):
        for child in value:
            yield from _find(child, key)


def test_every_object_is_valid_in_the_strict_sense(objects: list[Object]) -> None:
    assert {o["kind"] for o in objects} >= POD_OWNERS | {"NetworkPolicy", "Service", "ConfigMap"}
    version = kubernetes_validate.latest_version()
    for item in objects:
        kubernetes_validate.validate(item, version, strict=True)


def test_every_object_is_valid_for_the_oldest_version_that_is_supported(
    objects: list[Object], infra: Path
) -> None:
    assert "Kubernetes 1.29 or newer" in (infra / "README.md").read_text(encoding="utf-8")
    for item in objects:
        kubernetes_validate.validate(item, "1.29.0", strict=True)


def test_the_strict_check_finds_a_misspelt_field(cron_job: Object) -> None:
    wrong = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x"}}
    wrong["spec"] = {**cron_job, "concurencyPolicy": "Forbid"}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_every_manifest_is_listed_and_every_listed_one_is_there(infra: Path) -> None:
    folder = infra / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    names = set(listed["resources"])
    assert names - {"../shared"} == {f.name for f in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert (folder / "../shared" / "kustomization.yaml").is_file()


def test_everything_lives_in_one_namespace_under_the_strictest_pod_profile(
    objects: list[Object],
) -> None:
    namespace = _named(objects, "Namespace", "rnnflow")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [o["metadata"]["namespace"] for o in objects if o["kind"] != "Namespace"]
    assert set(others) == {"rnnflow"}


@pytest.mark.parametrize(
    "name",
    [
        "pipeline",
        "training-workers",
        "mlflow",
        "prefect",
        "postgres",
        "automation",
        "pipeline-user",
    ],
)
class TestEachPod:
    def test_is_not_root_and_keeps_the_default_system_calls(
        self, pods: dict[str, Object], name: str
    ) -> None:
        context = pods[name]["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}

    def test_can_neither_gain_rights_nor_change_its_image(
        self, containers: dict[str, Object], name: str
    ) -> None:
        assert containers[name]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }

    def test_has_a_place_for_temporary_files(
        self, containers: dict[str, Object], name: str
    ) -> None:
        assert "/tmp" in {mount["mountPath"] for mount in containers[name]["volumeMounts"]}

    def test_has_no_token_for_the_cluster(
        self, objects: list[Object], pods: dict[str, Object], name: str
    ) -> None:
        spec = pods[name]["spec"]
        account = _named(objects, "ServiceAccount", spec["serviceAccountName"])
        assert spec["automountServiceAccountToken"] is False
        assert account["automountServiceAccountToken"] is False

    def test_gets_no_variables_from_the_names_of_services(
        self, pods: dict[str, Object], name: str
    ) -> None:
        # A Service named mlflow would set MLFLOW_PORT=tcp://…, which MLflow takes for its port.
        assert pods[name]["spec"]["enableServiceLinks"] is False

    def test_asks_for_and_is_limited_in_every_resource(
        self, containers: dict[str, Object], name: str
    ) -> None:
        resources = containers[name]["resources"]
        everything = {"cpu", "memory", "ephemeral-storage"}
        assert set(resources["requests"]) == set(resources["limits"]) == everything

    def test_takes_its_secrets_from_the_secret(
        self, containers: dict[str, Object], name: str
    ) -> None:
        secret = ("PASSWORD", "SECRET", "AUTH_STRING", "USERNAME")
        found = [e for e in containers[name].get("env", []) if e["name"].endswith(secret)]
        assert all("secretKeyRef" in e["valueFrom"] for e in found)
        assert found

    def test_mounts_what_it_declares(self, pods: dict[str, Object], name: str) -> None:
        spec = pods[name]["spec"]
        mounts = {mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
        claimed = {"data"} if name == "postgres" else set()
        assert mounts == {volume["name"] for volume in spec["volumes"]} | claimed

    def test_runs_a_pinned_image(self, containers: dict[str, Object], name: str) -> None:
        tag = containers[name]["image"].partition(":")[2]
        assert tag[:1].isdigit()

    def test_is_reached_and_reaches_only_through_policies(
        self, objects: list[Object], pods: dict[str, Object], name: str
    ) -> None:
        label = pods[name]["metadata"]["labels"]["app.kubernetes.io/name"]
        assert label == name
        assert _named(objects, "NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"] == {
            "app.kubernetes.io/name": name
        }


def test_what_is_referred_to_exists(
    objects: list[Object], generated: dict[str, list[str]], infra: Path
) -> None:
    config_maps = {o["metadata"]["name"] for o in objects if o["kind"] == "ConfigMap"}
    claims = {o["metadata"]["name"] for o in objects if o["kind"] == "PersistentVolumeClaim"}
    assert {ref["name"] for ref in _find(objects, "configMap")} == config_maps | set(generated)
    assert {ref["claimName"] for ref in _find(objects, "persistentVolumeClaim")} == claims
    files = [infra / "shared" / file for names in generated.values() for file in names]
    assert all(file.is_file() for file in files)


def test_the_pipeline_is_not_the_administrator_of_mlflow(containers: dict[str, Object]) -> None:
    def key(name: str, variable: str) -> str:
        return str(_environment(containers[name])[variable]["valueFrom"]["secretKeyRef"]["key"])

    for kind in ("USERNAME", "PASSWORD"):
        administrator = key("mlflow", f"MLFLOW_AUTH_ADMIN_{kind}")
        assert key("pipeline-user", f"MLFLOW_TRACKING_{kind}") == administrator
        user = key("pipeline-user", f"MLFLOW_PIPELINE_{kind}")
        assert user != administrator
        for name in ("pipeline", "training-workers"):
            assert key(name, f"MLFLOW_TRACKING_{kind}") == user


def test_the_secret_is_named_and_never_written(objects: list[Object], infra: Path) -> None:
    assert "Secret" not in {o["kind"] for o in objects}
    references = list(_find(objects, "secretKeyRef"))
    assert {reference["name"] for reference in references} == {"rnnflow"}
    # The README's command makes the Secret from the file that compose reads too.
    lines = (infra / ".env.example").read_text(encoding="utf-8").splitlines()
    keys = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert {reference["key"] for reference in references} <= keys


def test_services_are_inside_the_cluster_and_lead_to_a_pod(
    objects: list[Object], pods: dict[str, Object]
) -> None:
    services = [o for o in objects if o["kind"] == "Service"]
    assert {s["metadata"]["name"] for s in services} == {
        "mlflow", "prefect", "postgres", "training-workers",
    }  # fmt: skip
    for service in services:
        assert service["spec"]["type"] == "ClusterIP"
        pod = pods[service["metadata"]["name"]]
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        open_ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= open_ports


def test_the_network_is_closed_but_for_the_edges_that_are_needed(objects: list[Object]) -> None:
    policies = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "NetworkPolicy"}
    closed = policies.pop("closed")
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    edges = {
        (client, peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"], port)
        for client, policy in policies.items()
        for rule in policy.get("egress", [])
        for peer in rule["to"]
        if "podSelector" in peer
        for port in [one["port"] for one in rule["ports"]]
    }
    assert edges == {
        ("pipeline", "mlflow", 5000),
        ("pipeline", "prefect", 4200),
        ("training-workers", "training-workers", 2222),
        ("training-workers", "mlflow", 5000),
        ("training-workers", "prefect", 4200),
        ("automation", "prefect", 4200),
        ("pipeline-user", "mlflow", 5000),
        ("mlflow", "postgres", 5432),
        ("prefect", "postgres", 5432),
    }
    # Each edge is open at its other end too.
    for client, server, port in edges:
        assert f'"{client}"' in json.dumps(policies[server]["ingress"])
        opened = [rule["ports"] for rule in policies[server]["ingress"]]
        assert opened == [[{"protocol": "TCP", "port": port}]]


class TestThePipeline:
    def test_never_overlaps_with_itself(self, cron_job: Object) -> None:
        assert cron_job["concurrencyPolicy"] == "Forbid"

    def test_ends_after_some_time(self, cron_job: Object) -> None:
        assert 0 < cron_job["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 24 * 3600

    @pytest.mark.parametrize("final", [2, 3])
    def test_is_not_repeated_when_repeating_changes_nothing(
        self, cron_job: Object, final: int
    ) -> None:
        rules = cron_job["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
        ours = [r for r in rules if final in r.get("onExitCodes", {}).get("values", [])]
        assert [rule["action"] for rule in ours] == ["FailJob"]
        pod = cron_job["jobTemplate"]["spec"]["template"]["spec"]
        # The policy has no effect on a pod that is restarted in place.
        assert pod["restartPolicy"] == "Never"
        assert ours[0]["onExitCodes"]["containerName"] == pod["containers"][0]["name"]

    def test_is_repeated_when_a_server_was_away(self, cron_job: Object) -> None:
        spec = cron_job["jobTemplate"]["spec"]
        named = [r["onExitCodes"] for r in spec["podFailurePolicy"]["rules"] if "onExitCodes" in r]
        assert all(r["operator"] == "In" and 1 not in r["values"] for r in named)
        assert spec["backoffLimit"] > 0

    def test_is_not_charged_for_a_node_that_goes_away(self, cron_job: Object) -> None:
        rules = cron_job["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
        assert {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        } in rules

    def test_keeps_its_work_between_runs(self, pods: dict[str, Object]) -> None:
        spec = pods["pipeline"]["spec"]
        mounts = {m["mountPath"]: m["name"] for m in spec["containers"][0]["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert "persistentVolumeClaim" in volumes[mounts["/work"]]

    def test_runs_a_config_that_can_be_read(
        self, objects: list[Object], containers: dict[str, Object]
    ) -> None:
        text = _named(objects, "ConfigMap", "pipeline-config")["data"]["pipeline.yaml"]
        config = parse_config(text, source="the ConfigMap")
        assert containers["pipeline"]["args"] == ["run", "/etc/rnnflow/pipeline.yaml"]
        root = Path(__file__).resolve().parents[2]
        for path in (config.data.train, config.data.test):
            # The image holds the repository's data at /app/data.
            assert (root / str(path).removeprefix("/app/")).is_file()

    def test_runs_the_bundled_config_but_for_the_place_of_the_data(
        self, objects: list[Object], infra: Path
    ) -> None:
        mine = yaml.safe_load(
            _named(objects, "ConfigMap", "pipeline-config")["data"]["pipeline.yaml"]
        )
        bundled = infra.parent / "pipelines" / "configs" / "japanese_vowels.yaml"
        text = bundled.read_text(encoding="utf-8").replace("../../data/", "/app/data/")
        assert mine == yaml.safe_load(text)

    def test_finds_the_servers_by_the_names_of_their_services(
        self, containers: dict[str, Object]
    ) -> None:
        environment = _environment(containers["pipeline"])
        assert environment["MLFLOW_TRACKING_URI"]["value"] == "http://mlflow:5000"
        assert environment["PREFECT_API_URL"]["value"] == "http://prefect:4200/api"


class TestTrainingWorkers:
    @pytest.fixture
    def workers(self, objects: list[Object]) -> Object:
        return dict(_named(objects, "CronJob", "training-workers")["spec"])

    @pytest.fixture
    def job(self, workers: Object) -> Object:
        return dict(workers["jobTemplate"]["spec"])

    def test_start_when_somebody_says_so(self, workers: Object) -> None:
        assert workers["suspend"] is True

    def test_are_one_pod_an_index_all_at_once(self, job: Object) -> None:
        assert job["completionMode"] == "Indexed"
        assert job["parallelism"] == job["completions"] > 1
        assert job["podReplacementPolicy"] == "Failed"

    def test_find_each_other_by_the_names_that_the_headless_service_gives(
        self, objects: list[Object], job: Object
    ) -> None:
        service = _named(objects, "Service", "training-workers")
        pod = job["template"]["spec"]
        environment = {e["name"]: e.get("value") for e in pod["containers"][0]["env"]}
        pods_own = {"JOB_COMPLETION_INDEX": "2", "HOSTNAME": "training-workers-29384750-2"}
        cluster = find_cluster({**environment, **pods_own})
        assert cluster is not None
        assert (cluster.size, cluster.index) == (job["completions"], 2)
        assert pod["subdomain"] == service["metadata"]["name"]
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["publishNotReadyAddresses"] is True
        (port,) = service["spec"]["ports"]
        assert cluster.addresses[1] == (
            f"training-workers-29384750-1.{pod['subdomain']}:{port['port']}"
        )

    def test_share_a_volume_that_all_can_write(self, objects: list[Object], job: Object) -> None:
        volumes = {volume["name"]: volume for volume in job["template"]["spec"]["volumes"]}
        name = volumes["work"]["persistentVolumeClaim"]["claimName"]
        claim = _named(objects, "PersistentVolumeClaim", name)
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]

    def test_have_time_to_save_before_they_are_killed(self, job: Object) -> None:
        grace_seconds = job["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace_seconds > LaunchConfig().grace_seconds

    def test_differ_from_the_pipeline_only_in_what_makes_them_workers(
        self, job: Object, cron_job: Object
    ) -> None:
        alone = cron_job["jobTemplate"]["spec"]
        (mine,), (its,) = (each["template"]["spec"]["containers"] for each in (job, alone))
        for its_rule, rule in zip(
            alone["podFailurePolicy"]["rules"], job["podFailurePolicy"]["rules"], strict=True
        ):
            renamed = json.dumps(its_rule).replace(f'"{its["name"]}"', f'"{mine["name"]}"')
            assert rule == json.loads(renamed)
        assert mine["image"] == its["image"]
        assert mine["args"] == its["args"]
        own = [e for e in mine["env"] if not e["name"].startswith("RNNFLOW_")]
        assert own == its["env"]


def test_both_descriptions_start_the_servers_in_the_same_way(
    containers: dict[str, Object], services: Services
) -> None:
    for name in ("mlflow", "prefect"):
        container = containers[name]
        arguments = {*container["command"], *container["args"]}
        other = set(services[name]["entrypoint"])
        hosts = {item for item in arguments ^ other if item.startswith("--allowed-hosts=")}
        assert arguments ^ other == hosts
        plain = {key: e["value"] for key, e in _environment(container).items() if "value" in e}
        assert plain.items() <= services[name]["environment"].items()
    assert containers["postgres"]["image"] == services["postgres"]["image"]
    assert containers["pipeline"]["image"] == services["worker"]["image"]


def test_both_descriptions_make_the_same_automation_from_the_file_they_mount(
    containers: dict[str, Object], services: Services
) -> None:
    container, service = containers["automation"], services["automation"]
    assert container["command"] == service["entrypoint"]
    assert container["args"] == service["command"]
    file = container["args"][0].split()[-1]
    assert [volume.split(":")[1] for volume in service["volumes"]] == [file]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert file.rpartition("/")[0] in mounted


def test_mlflow_knows_the_names_it_is_called_by(containers: dict[str, Object]) -> None:
    hosts = next(a for a in containers["mlflow"]["args"] if a.startswith("--allowed-hosts="))
    assert {"mlflow:5000", "localhost:5000"} <= set(hosts.partition("=")[2].split(","))
    assert "*" not in hosts
    assert "--app-name=basic-auth" in containers["mlflow"]["args"]
