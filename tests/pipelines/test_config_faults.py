"""A config that cannot be used is told fault by fault: where, what was expected, and what came."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from components.errors import ConfigError, NotFoundError
from pipelines.config import PipelineConfig, dump_config, load_config, parse_config
from pipelines.config_faults import WISHES, _sections, closest

FULL = parse_config("""
name: demo
data: {train: rows.jsonl, validation: v.jsonl, test: t.jsonl}
features:
  sequence:
    x: {kind: numeric, width: 2, normalize: z_score, missing: previous, subtract: 1.5}
    e: {kind: token, min_frequency: 2, max_size: 10, oov_buckets: 2, embedding_dimension: 4}
  context: {i: {kind: id, size: 4, embedding_dimension: 2}}
gate: {bounds: {accuracy: {min: 0.5, max: 1.0}}}
tags: {team: speech}
""")
"""With a value for every key."""


def _faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, source="demo.yaml")
    assert caught.value.exit_code == 2
    head, *lines = str(caught.value).splitlines()
    assert head == f"demo.yaml has {len(lines)} fault{'s' if len(lines) > 1 else ''}:"
    return [line.removeprefix("  ") for line in lines]


def _changed(path: tuple[str, ...], value: object) -> str:
    values: Any = yaml.safe_load(dump_config(FULL))
    section = values
    for part in path[:-1]:
        section = section[part]
    section[path[-1]] = value
    return json.dumps(values)  # JSON is YAML, and has a form for NaN and odd characters alike


def _paths(values: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in values.items():
        found.append((*above, key))
        if isinstance(value, dict):
            found += _paths(value, (*above, key))
    return found


PATHS = _paths(yaml.safe_load(dump_config(FULL)))
TEXTS = {"data.train", "data.validation", "data.test", "name", "preprocessing.runner", "tags.team"}
NONSENSE = [[], [[1]], {"a": 1}, -1, 0, -0.5, 1e300, 10**30, "\x00", "a\x1b[31m", "", True, None]


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_nonsense_at_any_key_is_refused_with_its_path(path: tuple[str, ...]) -> None:
    # A date is nothing that any key takes, and what a person may write by accident.
    text = _changed(path, "DATE").replace('"DATE"', "2024-01-02")
    if path[:2] == ("preprocessing", "runner_options"):
        path = path[:2]  # Beam checks what is in there
    lines = _faults(text)
    assert all(line.startswith(".".join(path)) for line in lines), lines
    assert all(line.endswith("got datetime.date(2024, 1, 2)") for line in lines), lines


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
def test_what_is_no_number_is_taken_nowhere(path: tuple[str, ...], number: str) -> None:
    _faults(_changed(path, "NUMBER").replace('"NUMBER"', number))


@pytest.mark.slow
@given(path=st.sampled_from(PATHS), value=st.sampled_from(NONSENSE) | st.integers() | st.text())
@example(path=("seed",), value=True)
@example(path=("data", "train"), value="a\x00b")
def test_any_value_is_taken_or_refused_by_its_path(path: tuple[str, ...], value: Any) -> None:
    text = _changed(path, copy.deepcopy(value))
    try:
        config = parse_config(text)
    except ConfigError as error:
        refused = error
    else:
        assert parse_config(dump_config(config)) == config
        return
    lines = str(refused).splitlines()[1:]
    assert lines or "not valid YAML" in str(refused)
    assert all(line.startswith(f"  {path[0]}") for line in lines), lines


@pytest.mark.slow
@given(text=st.text() | st.binary().map(lambda each: each.decode("latin-1")))
@example("a: 2024-13-45")
@example("[" * 5000)
@example("a: &a [*a]")
@example("1: 2\n? [a]\n: b")
@example("name: &n {<<: {a: 1}}")
def test_any_text_is_refused_without_another_error(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(text)


def test_any_bytes_in_a_file_are_refused_without_another_error(tmp_path: Path) -> None:
    path = tmp_path / "my config.yaml"
    path.write_bytes("name: caf\u00e9\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"iconv -f LATIN1 -t UTF-8 '.*my config.yaml'"):
        load_config(path)


@pytest.mark.parametrize("name", ["a\x00b", "n" * 300, "folder"])
def test_a_path_that_cannot_be_read_is_the_users_mistake(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotFoundError) as caught:
        load_config(tmp_path / name)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("seed: yes", "seed: expected a number, and not yes, no, true or false; got True"),
        (
            "gate: {bounds: {accuracy: {min: 90}}}",
            "gate.bounds.accuracy.min: expected 0 to 1 (fraction of the examples, or steps), got "
            "90; 90 % is 0.9",
        ),
        (
            "gate: {bounds: {acuracy: {min: 0.9}}}",
            "gate.bounds.acuracy: unknown key; did you mean 'accuracy'?",
        ),
        ("acuracy: 0.9", "acuracy: unknown key here; did you mean 'gate.bounds.accuracy'?"),
        (
            "learning_rate: 1",
            "learning_rate: unknown key here; did you mean 'model.optimizer.learning_rate'?",
        ),
        ("training: {max_step: 3}", "training.max_step: unknown key; did you mean 'max_steps'?"),
        ("model: {units: lots}", "model.units: expected a whole number; got 'lots'"),
        ("model: {units: 1000000000}", "model.units: expected 16384 or less; got 1000000000"),
        (
            "retention: {on_server: 1}",
            "retention.on_server: expected true or false; got 1",
        ),
    ],
)  # fmt: skip
def test_a_fault_says_what_was_expected_and_what_came(change: str, line: str) -> None:
    base = "name: demo\ndata: {train: a}\nfeatures: {sequence: {x: {kind: numeric}}}\n"
    assert _faults(base + change) == [line]


def test_a_number_that_python_does_not_print_is_refused() -> None:
    digits = "f" * 5000  # more than 4300 in the decimal system, which YAML's hexadecimals may have
    lines = _faults(_changed(("model", "units"), "NUMBER").replace('"NUMBER"', f"[0x{digits}]"))
    assert lines == ["model.units.0: expected 16384 or less; got a number of thousands of digits"]


def test_one_layer_needs_no_list() -> None:
    base = "name: demo\ndata: {train: a}\nfeatures: {sequence: {x: {kind: numeric}}}\n"
    assert parse_config(f"{base}model: {{units: 32}}").model.units == (32,)


def test_a_length_that_is_given_twice_is_told_with_how_to_take_one_out() -> None:
    values = _changed(("training",), {"max_steps": 9, "max_epochs": 3, "evaluate_every_steps": 2})
    (line,) = _faults(values)
    assert line.startswith("training.max_steps: give max_steps or max_epochs, not both")
    assert "null takes it out" in line


def test_one_fold_leaves_nothing_to_train_on() -> None:
    (line,) = _faults(_changed(("training",), {"folds": 1}))
    assert line.startswith("training.folds: expected 0 or 2 and more")


def test_a_value_of_several_kinds_has_one_fault() -> None:
    (line,) = _faults(_changed(("features", "sequence", "x", "subtract"), "last"))
    assert line == (
        "features.sequence.x.subtract: expected a number or 'first' or 'previous'; got 'last'"
    )


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("training.epochs", "it is training.max_epochs here"),
        ("data.stratify", "the rows of each label are split"),
        ("data.group_by", "data.split.group keeps"),
        ("data.format", "JSON lines"),
        ("model.recurrent_dropout", "model.dropout.recurrent"),
        ("training.class_weight", "model.loss.class_weights"),
        ("model.optimizer.lr", "model.optimizer.learning_rate"),
        ("features.sequence.x.log", "log1p"),
        ("gate.bounds.auc", "roc_auc, average_precision"),
        ("gate.decision", "threshold says"),
    ],
)
def test_a_wish_is_told_where_it_goes(path: str, says: str) -> None:
    (line,) = _faults(_changed(tuple(path.split(".")), 3))
    assert line.startswith(f"{path}: unknown key; ")
    assert says in line


def test_what_a_wish_names_is_a_key_and_no_key_is_a_wish_in_vain() -> None:
    sections = _sections(PipelineConfig)
    keys = {key for section in sections for key in section.keys}
    full = {section.full(key) for section in sections for key in section.keys}
    assert not keys & set(WISHES)
    roots = {path.partition(".")[0] for path in full}
    for text in WISHES.values():
        words = [word.strip(".,;:") for word in text.split()]
        named = {word for word in words if "." in word and word.partition(".")[0] in roots}
        assert named <= full, named - full


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("sede", "seed"),
        ("acuracy", "accuracy"),
        ("unitz", "units"),
        ("stratify", None),
        ("x", None),
    ],
)
def test_a_suggestion_is_near(word: str, meant: str | None) -> None:
    assert closest(word, ["seed", "train", "accuracy", "units", "data"]) == meant
