"""The command line: help, exit codes, and messages without tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from components.errors import RnnflowError
from pipelines.cli import rnnflow

VERBS = [
    "init", "run", "preprocess", "train", "evaluate", "gate", "export", "promote",
    "approve", "reject", "rollback", "predict", "serve", "compare", "status", "schedule",
]  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
ROW = {"id": "a", "label": "x", "sequence": {"v": [1.0, 2.0]}}


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(rnnflow, list(arguments))


def _error(result: Result) -> RnnflowError:
    assert isinstance(result.exception, RnnflowError), result.output
    return result.exception


def _rows(path: Path, count: int) -> Path:
    rows = [
        {
            "id": f"r{i}",
            "label": "even" if i % 2 == 0 else "odd",
            "context": {"age": i},
            "sequence": {"v": [float(i % 2), 0.5 * i, 1.0], "w": ["a", "b", "a"]},
        }
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_help_lists_every_verb_and_the_exit_codes() -> None:
    output = _call("--help").output
    for verb in VERBS:
        assert f"\n  {verb} " in output
    assert "3 refused by the gate" in " ".join(output.split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    result = _call(verb, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.output


@pytest.mark.parametrize("module", ["init", "models", "run", "schedule", "status"])
def test_no_command_loads_tensorflow_or_beam_before_it_needs_them(module: str) -> None:
    code = f"import sys, pipelines.commands.{module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"tensorflow", "apache_beam"}.isdisjoint(done.stdout.split())


def test_an_unknown_option_is_the_users_mistake() -> None:
    assert _call("run", "--nonsense").exit_code == 2


@pytest.mark.parametrize("verb", ["run", "train", "evaluate", "gate", "export"])
def test_what_trains_takes_a_number_of_workers(verb: str) -> None:
    assert "--workers" in _call(verb, "--help").output
    assert _call(verb, "x.yaml", "--workers", "0").exit_code == 2


def test_a_cluster_that_cannot_be_is_the_users_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"chief": ["a:1", "b:1"]}}')
    error = _error(_call("run", str(tmp_path / "none.yaml"), "--work-dir", str(tmp_path / "work")))
    assert error.exit_code == 2
    assert "expected one chief, got a:1, b:1" in str(error)


def test_a_missing_config_is_the_users_mistake(tmp_path: Path) -> None:
    error = _error(_call("run", str(tmp_path / "none.yaml"), "--work-dir", str(tmp_path)))
    assert error.exit_code == 2
    assert "none.yaml does not exist" in str(error)


def test_a_config_with_faults_leaves_no_trace_of_a_run(tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("name: x\ndata: {train: rows.jsonl}\n")
    error = _error(_call("run", str(config), "--work-dir", str(tmp_path / "work")))
    assert error.exit_code == 2
    assert not (tmp_path / "work").exists()


def test_a_run_that_does_not_exist_is_named(tmp_path: Path) -> None:
    error = _error(_call("train", "--run", "20260101-000000-aaaa", "--work-dir", str(tmp_path)))
    assert error.exit_code == 2
    assert "20260101-000000-aaaa" in str(error)


def test_a_config_and_a_run_exclude_each_other(tmp_path: Path) -> None:
    error = _error(_call("train", "x.yaml", "--run", "r", "--work-dir", str(tmp_path)))
    assert "not both" in str(error)


def test_init_writes_a_config_that_can_be_read(tmp_path: Path) -> None:
    data = _rows(tmp_path / "mine.jsonl", 120)
    result = _call("init", str(data))
    assert result.exit_code == 0, result.output
    assert "rnnflow run" in result.output
    text = (tmp_path / "mine.yaml").read_text()
    assert "train: mine.jsonl" in text
    assert "# 120 valid rows" in text
    from pipelines.config import load_config

    config = load_config(tmp_path / "mine.yaml")
    assert config.name == "mine"
    assert config.features.sequence["v"].kind == "numeric"
    assert config.features.sequence["w"].kind == "token"
    assert config.features.context["age"].kind in ("numeric", "id")


def test_init_replaces_no_config_unasked(tmp_path: Path) -> None:
    data = _rows(tmp_path / "mine.jsonl", 120)
    (tmp_path / "mine.yaml").write_text("mine")
    assert _error(_call("init", str(data))).exit_code == 2
    assert (tmp_path / "mine.yaml").read_text() == "mine"
    assert _call("init", str(data), "--force").exit_code == 0
    assert "features:" in (tmp_path / "mine.yaml").read_text()


def test_init_names_a_file_that_is_missing(tmp_path: Path) -> None:
    error = _error(_call("init", str(tmp_path / "none.jsonl")))
    assert error.exit_code == 2
    assert "none.jsonl" in str(error)


@pytest.mark.slow
def test_no_champion_yet_is_a_message(tmp_path: Path) -> None:
    data = _rows(tmp_path / "mine.jsonl", 3)
    error = _error(_call("predict", "demo", str(data), "--work-dir", str(tmp_path / "work")))
    assert error.exit_code == 2
    assert "demo has no champion yet" in str(error)


def test_a_registry_that_is_away_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Port 9 of the loopback is "discard": nothing listens there.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    data = _rows(tmp_path / "mine.jsonl", 3)
    error = _error(_call("predict", "demo", str(data), "--work-dir", str(tmp_path / "work")))
    assert error.exit_code == 1
    assert "127.0.0.1:9" in str(error)


@pytest.mark.parametrize(
    ("cron", "timezone"), [("99 3 * * *", "UTC"), ("0 3 * * *", "Nowhere/Land"), ("", "UTC")]
)
def test_a_schedule_that_cannot_be_is_the_users_mistake(
    tmp_path: Path, cron: str, timezone: str
) -> None:
    config = tmp_path / "demo.yaml"
    config.write_text(
        "name: demo\ndata: {train: rows.jsonl}\nfeatures: {sequence: {v: {kind: numeric}}}\n"
    )
    error = _error(_call("schedule", str(config), "--cron", cron, "--timezone", timezone))
    assert error.exit_code == 2
    assert "cron expression" in str(error)


CONFIG = "name: demo\ndata: {train: none.jsonl}\nfeatures: {sequence: {v: {kind: numeric}}}\n"


@pytest.mark.parametrize("verb", ["run", "preprocess", "train", "evaluate", "gate", "export"])
def test_a_wrong_path_of_data_is_told_before_anything_starts(tmp_path: Path, verb: str) -> None:
    (tmp_path / "demo.yaml").write_text(CONFIG)
    error = _error(_call(verb, str(tmp_path / "demo.yaml"), "--work-dir", str(tmp_path / "work")))
    assert error.exit_code == 2
    assert "data.train: " in str(error)
    assert "none.jsonl does not exist" in str(error)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "demo.yaml"), ("train", "demo.yaml"), ("clean",), ("status",), ("compare", "demo"),
        ("history", "demo"), ("promote", "demo", "1"), ("rollback", "demo"),
        ("approve", "demo", "--reason", "r"), ("reject", "demo", "1", "--reason", "r"),
        ("predict", "demo", "demo.yaml"), ("export", "--output", "new"),
    ],
)  # fmt: skip
def test_every_verb_refuses_a_work_directory_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.yaml").write_text(CONFIG)
    for given in ("what?", "demo.yaml"):
        error = _error(_call(*arguments, "--work-dir", given))
        assert error.exit_code == 2
        assert str(error).startswith("--work-dir: ")
    # The environment names it as the option does.
    monkeypatch.setenv("RNNFLOW_WORK_DIR", "what?")
    assert "'?'" in str(_error(_call(*arguments)))
    assert [path.name for path in tmp_path.iterdir()] == ["demo.yaml"]


def test_a_command_in_a_message_names_the_work_directory_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "See `rnnflow status`." in str(_error(_call("status")))
    message = str(_error(_call("status", "--work-dir", "my work")))
    assert "See `rnnflow status --work-dir 'my work'`." in message


def test_values_of_the_config_can_be_set_and_are_checked_as_those_of_the_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "demo.yaml").write_text(CONFIG)
    given = (str(tmp_path / "demo.yaml"), "--work-dir", str(tmp_path / "work"))
    error = _error(_call("run", *given, "--set", "training.max_step=3", "--set", "seed=yes"))
    assert error.exit_code == 2
    assert "training.max_step: unknown key; did you mean 'max_steps'?" in str(error)
    assert "seed: expected a number" in str(error)
    assert "KEY=VALUE" in str(_error(_call("run", *given, "--set", "seed")))
    assert "not valid YAML" in str(_error(_call("run", *given, "--set", "seed=[1")))
    assert "has no keys" in str(_error(_call("run", *given, "--set", "name.x=1")))


@pytest.mark.parametrize("data", [".", "/", "..", "none"])
def test_init_refuses_what_is_no_file(data: str) -> None:
    assert _error(_call("init", data)).exit_code == 2


def test_init_refuses_an_output_that_is_no_file_in_a_directory(tmp_path: Path) -> None:
    data = _rows(tmp_path / "mine.jsonl", 120)
    for output, what in ((tmp_path, "is a directory"), (data / "x.yaml", "is a file")):
        error = _error(_call("init", str(data), "--output", str(output), "--force"))
        assert what in str(error)


def test_a_command_of_init_can_be_pasted(tmp_path: Path) -> None:
    data = _rows(tmp_path / "my rows.jsonl", 120)
    assert f"rnnflow run '{tmp_path}/my rows.yaml'" in _call("init", str(data)).output
