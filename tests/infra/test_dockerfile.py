"""The image's recipe: pinned, two stages, nothing in the second that only the first needs."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def instructions() -> list[str]:
    """The Dockerfile's instructions, a line each, without comments."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def final_stage(instructions: list[str]) -> list[str]:
    start = max(i for i, line in enumerate(instructions) if line.startswith("FROM"))
    return instructions[start:]


def _only(instructions: list[str], keyword: str) -> str:
    found = [line for line in instructions if line.split()[0] == keyword]
    assert len(found) == 1, f"expected one {keyword}"
    return " ".join(found[0].split()[1:])


def test_the_base_is_one_exact_release_and_can_be_replaced(instructions: list[str]) -> None:
    base = _only(instructions[:1], "ARG")
    assert re.fullmatch(r"BASE_IMAGE=python:3\.11\.\d+-slim-bookworm", base)
    stages = [line.split()[1] for line in instructions if line.startswith("FROM")]
    assert stages == ["${BASE_IMAGE}", "${BASE_IMAGE}"]


def test_only_locked_packages_are_installed(instructions: list[str]) -> None:
    installs = [line for line in instructions if " install " in line and "-m pip" in line]
    assert len(installs) == 2
    assert all("--no-deps" in line for line in installs)
    locked, project = installs
    assert "--require-hashes" in locked
    assert "-r requirements.lock" in locked
    assert "--no-index" in project
    assert "--no-build-isolation" in project


def test_development_tools_are_not_in_the_lock_of_the_image() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tools = {re.split(r"[^a-z0-9-]", tool)[0] for tool in project["optional-dependencies"]["dev"]}
    assert "tensorflow" in locked
    # What our dependencies bring along by themselves is no tool of ours.
    assert (tools & locked) - {"scikit-learn", "tensorboard"} == set()


def test_the_servers_packages_are_in_the_lock_of_the_image() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    # flask-wtf: MLflow's basic-auth application does not start without it.
    assert {"psycopg2-binary", "asyncpg", "flask-wtf", "mlflow", "prefect"} <= locked


def test_the_native_layers_are_built_where_the_compiler_is(
    instructions: list[str], final_stage: list[str]
) -> None:
    building = [line for line in instructions if line not in final_stage]
    assert any("apt-get install" in line and line.endswith("g++") for line in building)
    assert any("-m rnn_core.kernels" in line for line in building)
    assert any(line.startswith("COPY --from=builder /opt/rnnflow ") for line in final_stage)


def test_the_final_stage_installs_nothing(final_stage: list[str]) -> None:
    runs = [line for line in final_stage if line.startswith("RUN")]
    assert not re.search(r"\b(pip|apt-get|curl|wget)\b", " ".join(runs))


def test_it_runs_rnnflow_as_an_account_without_rights_in_its_volume(
    final_stage: list[str],
) -> None:
    assert _only(final_stage, "USER") == "1000:1000"
    assert _only(final_stage, "ENTRYPOINT") == '["rnnflow"]'
    assert _only(final_stage, "WORKDIR") == "/work"
    assert _only(final_stage, "VOLUME") == '["/work"]'


def test_what_is_copied_in_belongs_to_root(final_stage: list[str]) -> None:
    copies = [line for line in final_stage if line.startswith("COPY")]
    assert copies
    assert not any("--chown" in line for line in copies)


def test_no_secret_and_no_address_is_written_into_it(instructions: list[str]) -> None:
    text = "\n".join(instructions)
    assert not re.search(r"https?://|--index-url|--trusted-host", text)
    assert not re.search(r"^(ENV|ARG).*(PASSWORD|TOKEN|PIP_|PROXY)", text, re.MULTILINE | re.I)


def test_the_bundled_config_finds_its_data_where_the_image_puts_both(
    final_stage: list[str],
) -> None:
    copied = {line.split()[1]: line.split()[2] for line in final_stage if len(line.split()) == 3}
    config = ROOT / "pipelines" / "configs" / "japanese_vowels.yaml"
    place = Path(copied["pipelines/configs"])
    data = yaml.safe_load(config.read_text(encoding="utf-8"))["data"]
    for relative in (data["train"], data["test"]):
        inside = Path(*_resolved(place / relative))
        assert inside.is_relative_to(copied["data"])
        assert (ROOT / "data" / inside.relative_to(copied["data"])).is_file()


def _resolved(path: Path) -> tuple[str, ...]:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return tuple(parts)


def test_the_build_sees_only_what_it_copies(instructions: list[str]) -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {line[1:] for line in rules if line.startswith("!")}
    sources = {
        source.removeprefix("./").split("/")[0]
        for line in instructions
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert sources == allowed


def test_the_image_test_can_be_called_and_stops_at_the_first_fault() -> None:
    script = ROOT / "infra" / "image_test.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert re.search(r"^trap clean_up EXIT", text, re.MULTILINE)
