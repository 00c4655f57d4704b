"""``rnnflow init``: a config that reads back as proposed, and says what was seen."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config import DataConfig, SplitConfig, TrainingConfig
from components.data.proposal import Proposal, propose, propose_model
from components.errors import DataError, NotFoundError, UserError
from components.features.config import FeaturesConfig, why_no_name
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature
from components.gate_config import Bound, GateConfig
from pipelines.commands.init import render_config, write_config
from pipelines.config import PipelineConfig, load_config, parse_config

PROPOSAL = Proposal(
    data=DataConfig(train="/data/set/rows.jsonl", bad_rows_allowed_fraction=0.02),
    features=FeaturesConfig(
        sequence={
            "motion": NumericFeature(kind="numeric", width=3, normalize="none"),
            "word-1.a": VocabularyFeature(kind="token", max_size=10_000, embedding_dimension=32),
            "Größe in cm": NumericFeature(kind="numeric"),
        },
        context={"shop": IdFeature(kind="id", size=9)},
    ),
    model=propose_model(),
    training=TrainingConfig(batch_size=64, max_steps=2000, evaluate_every_steps=100),
    gate=GateConfig(bounds={"accuracy": Bound(min=0.83)}, min_examples=160),
    rows={"train": 1300, "validation": 300, "test": 400},
    invalid=3,
    labels={"a": 1, "b": 7, "c": 2, "d": 3, "e": 4, "f": 5, "g": 6, "h": 1972},
    lengths=(1, 12, 99),
    rare_labels=0,
    notes_of={
        "data": ("the longest row has many steps.",),
        "features": ("context.shop holds whole numbers up to 8 and is taken as ids.",),
        "gate": ("a bound on macro_f1 says more here.",),
    },
    reasons_of={"model": ("It reads both ways.",), "training": ("Few rows decide little.",)},
)


def _rows(path: Path, **changes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "id": f"{path.stem}-{i}",
            "label": "even" if i % 2 == 0 else "odd",
            "context": {"age": i * 1.5},
            "sequence": {"v": [float(i % 2), 0.5 * i, 1.0]},
        }
        | changes
        for i in range(60)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _write(data: Path, **arguments: Any) -> None:
    defaults: dict[str, Any] = {
        "test": None, "validation": None, "output": None, "name": None, "force": False,
    }  # fmt: skip
    write_config(data, **{**defaults, **arguments})


def _same(found: PipelineConfig, proposal: Proposal) -> bool:
    return (found.features, found.training, found.gate) == (
        proposal.features, proposal.training, proposal.gate,
    )  # fmt: skip


def test_the_yaml_reads_back_as_what_was_proposed() -> None:
    found = parse_config(render_config(PROPOSAL, "demo", Path("/data")))
    assert found.name == "demo"
    assert _same(found, PROPOSAL)
    assert found.data == dataclasses.replace(PROPOSAL.data, train="set/rows.jsonl")


@pytest.mark.slow
@given(
    names=st.lists(
        st.text(min_size=1, max_size=9).filter(lambda name: why_no_name(name) is None),
        min_size=1, max_size=4, unique=True,
    ),
    width=st.integers(1, 50),
    least=st.floats(0.0, 1.0),
)  # fmt: skip
def test_whatever_the_features_are_called_the_yaml_reads_back(
    names: list[str], width: int, least: float
) -> None:
    numeric = NumericFeature(kind="numeric", width=width)
    proposal = dataclasses.replace(
        PROPOSAL,
        features=FeaturesConfig(dict.fromkeys(names, numeric)),
        gate=GateConfig(bounds={"accuracy": Bound(min=least)}),
    )
    assert _same(parse_config(render_config(proposal, "demo", Path("/data"))), proposal)


def test_comments_tell_what_was_seen() -> None:
    text = render_config(PROPOSAL, "demo", Path("/data"))
    assert "# 2,000 valid rows (1,300 train, 300 validation, 400 test), 3 invalid.\n" in text
    assert "# 8 labels (h: 1,972, b: 7, g: 6, f: 5, e: 4, d: 3 and 2 more).\n" in text
    assert "# 1 to 99 steps, median 12.\n" in text
    assert "# Always answering 'h' is right for 98.6 % of all rows: bound more.\n" in text
    assert "# context.shop holds whole numbers up to 8 and is taken as ids.\n" in text


def test_a_config_shows_only_what_it_sets() -> None:
    text = render_config(PROPOSAL, "demo", Path("/data"))
    assert "null" not in text
    assert "    motion: {kind: numeric, width: 3, log1p: false, normalize: none}\n" in text
    # The user's own name: the alias that TensorFlow needs is nothing to read or to edit.
    assert "    Größe in cm: {kind: numeric, width: 1, log1p: false, normalize: z_score}\n" in text


def test_data_paths_are_relative_to_the_config_wherever_that_lies(tmp_path: Path) -> None:
    data = _rows(tmp_path / "data" / "rows.jsonl")
    test = _rows(tmp_path / "data" / "test.jsonl")
    place = tmp_path / "configs" / "deep" / "demo.yaml"
    _write(data, test=test, output=place)
    assert "train: ../../data/rows.jsonl\n" in place.read_text()
    found = load_config(place).data
    assert (found.train, found.test) == (str(data), str(test))


def test_the_config_lies_beside_the_data_and_is_named_after_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _rows(tmp_path / "rows.jsonl")
    _write(data)
    place = tmp_path / "rows.yaml"
    config = load_config(place)
    assert config.name == "rows"
    assert _same(config, propose(config.data))
    told = capsys.readouterr().out
    assert "60 valid rows" in told
    assert "sequence.v: numeric" in told
    assert f"rnnflow run {place}" in told


def test_of_rows_at_a_url_the_config_lies_here_and_names_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in ("a", "b"):
        _rows(tmp_path / "set" / f"{name}.jsonl")
    for url, config in (
        (f"file://{tmp_path}/set/a.jsonl", "a.yaml"),
        (f"file://{tmp_path}/set/*.jsonl", "set.yaml"),
        (f"file://{tmp_path}/set", "set.yaml"),
    ):
        write_config(url, None, None, None, None, force=True)
        assert load_config(tmp_path / "here" / config).data.train == url


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("käse & brot (1)", "k-se-brot-1"),
        ("-_.hidden", "hidden"),
        ("日本語", "sequences"),
        ("speech: take #2", "speech-take-2"),
    ],
)
def test_a_file_with_an_odd_name_gives_a_name_and_a_path_that_can_be_used(
    tmp_path: Path, stem: str, name: str
) -> None:
    data = _rows(tmp_path / f"{stem}.jsonl")
    _write(data)
    config = load_config(tmp_path / f"{stem}.yaml")
    assert config.name == name
    assert config.data.train == str(data)


@pytest.mark.parametrize("label", ["a: {b} # c", "two\nlines: 1", "bell \x07", "\u2028", "'"])
def test_a_label_with_odd_characters_is_no_fault_in_the_comments(label: str) -> None:
    found = dataclasses.replace(PROPOSAL, labels={label: 5, "plain": 4},
                                notes_of={**PROPOSAL.notes_of, "data": (label,)})  # fmt: skip
    assert _same(parse_config(render_config(found, "demo", Path("/data"))), PROPOSAL)


def test_labels_and_names_are_escaped_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = "\u202eab\x1b[2J\u2066\nnote: forged"
    data = _rows(tmp_path / "rows.jsonl", label=odd, sequence={"v": [1.0], f"w{odd}": [1.0]})
    with data.open("a") as file:
        for i in range(60):
            row = {"id": f"x{i}", "label": "b", "sequence": {"v": [float(i)]}}
            file.write(json.dumps(row) + "\n")
    _write(data)
    text = capsys.readouterr().out
    assert not {"\u202e", "\x1b", "\u2066"} & set(text)
    assert "\\u202eab\\x1b[2J\\u2066\\nnote: forged: 60)" in text
    assert "sequence.w\\u202eab\\x1b[2J" in text
    assert "\nnote: forged" not in text


def test_what_rows_are_split_by_is_written_and_is_no_feature(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(
        json.dumps({
            "id": str(n), "label": "ab"[n % 2], "sequence": {"x": [0.5 * n]},
            "context": {"customer": f"c{n // 4}", "when": 1_000 * n, "age": 20 + n % 30},
        }) + "\n"
        for n in range(80)
    ))  # fmt: skip
    _write(path, group="customer", time="when")
    config = load_config(path.with_suffix(".yaml"))
    assert config.data.split == SplitConfig(group="customer", time="when")
    assert list(config.features.context) == ["age"]
    text = path.with_suffix(".yaml").read_text()
    assert "# context.customer is left out: the rows are split by it." in text
    assert "80 valid rows (52 train, 12 validation, 16 test), 0 invalid." in text


def test_each_note_stands_above_its_section_and_the_rule_for_rare_labels_where_there_are_any() -> (
    None
):
    found = dataclasses.replace(PROPOSAL, rare_labels=2)
    sections = render_config(found, "demo", Path("/data")).split("\n\n")
    assert ["many steps" in text for text in sections].index(True) == 1
    assert "taken as ids" in sections[2]
    assert "macro_f1 says" in sections[-1]
    assert "rare_labels: drop\n  min_label_rows: 3" in sections[1]
    assert "rare_labels" not in render_config(PROPOSAL, "demo", Path("/data"))


def test_an_existing_config_is_kept_unless_forced(tmp_path: Path) -> None:
    data = _rows(tmp_path / "rows.jsonl")
    (tmp_path / "rows.yaml").write_text("mine")
    with pytest.raises(UserError, match="--force"):
        _write(data)
    assert (tmp_path / "rows.yaml").read_text() == "mine"
    _write(data, force=True, name="chosen")
    assert load_config(tmp_path / "rows.yaml").name == "chosen"


def test_rows_that_cannot_be_used_leave_no_config(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two labels"):
        _write(_rows(tmp_path / "rows.jsonl", label="only"))
    with pytest.raises(NotFoundError, match="absent"):
        _write(tmp_path / "absent.jsonl")
    assert list(tmp_path.glob("*.yaml")) == []
