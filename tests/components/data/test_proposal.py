"""Reading the data gives settings with which the pipeline runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from components.config import DataConfig
from components.data.proposal import propose, propose_gate, propose_training
from components.data.statistics import Profile, new_profile
from components.errors import DataError, NotFoundError
from components.features.config import FeaturesConfig
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature
from components.gate_config import Bound
from components.training.steps import steps_of
from tests.components.conftest import VOWELS, WriteRows, mixed_lines, mixed_row


def test_the_vowels_are_twelve_numbers_a_step_with_nothing_to_check() -> None:
    data = DataConfig(train=str(VOWELS / "train.jsonl"), test=str(VOWELS / "test.jsonl"))
    found = propose(data)
    assert found.features.sequence == {"coefficients": NumericFeature(kind="numeric", width=12)}
    assert found.features.context == {}
    assert found.rows["train"] + found.rows["validation"] == 270
    assert found.rows["test"] == 370
    assert found.lengths == (7, 15, 29)
    assert list(found.labels) == list("123456789")
    assert (found.invalid, found.notes) == (0, ())


def test_every_kind_of_feature_is_found(write_rows: WriteRows) -> None:
    data = DataConfig(train=write_rows(mixed_lines()), bad_rows_allowed_fraction=0.05)
    found = propose(data)
    sequence, context = found.features.sequence, found.features.context
    assert sequence["motion"] == NumericFeature(kind="numeric", width=3)
    assert sequence["pulse"] == NumericFeature(kind="numeric")
    assert sequence["word-1.a"] == VocabularyFeature(kind="token")
    assert sequence["event"] == IdFeature(kind="id", size=40, embedding_dimension=8)
    assert context["size"] == NumericFeature(kind="numeric", width=2)
    assert context["colour"] == VocabularyFeature(kind="categorical")
    # The id keeps its name in the rows beside the alias that TensorFlow takes.
    assert context["Laden"] == IdFeature(kind="id", size=9, name_in_rows="Läden")
    assert "not in the config" not in context
    assert sum(found.rows.values()) == 120
    assert found.invalid == 2
    notes = "\n".join(found.notes)
    assert "sequence.event holds whole numbers up to 39 and is taken as ids" in notes
    assert "context.not in the config is left out: a number or string was expected" in notes
    assert "2 rows are invalid; the first is rows.jsonl:11: invalid JSON" in notes


def test_more_rows_mean_fewer_passes_and_larger_batches() -> None:
    few, many = (propose_training(rows, 10_000, 10) for rows in (2_000, 200_000))
    assert few.batch_size < many.batch_size
    assert few.max_epochs is not None
    assert many.max_epochs is not None
    assert few.max_epochs > many.max_epochs


@pytest.mark.parametrize("rows", [1, 10, 50, 270, 999, 1_000, 10_000, 123_456, 10**7])
@pytest.mark.parametrize("row_steps", [2, 20, 2_000])
def test_any_number_of_rows_gets_enough_training_and_about_twenty_evaluations(
    rows: int, row_steps: int
) -> None:
    steps = steps_of(propose_training(rows, rows // 5, row_steps * rows), rows)
    assert steps.end >= 600
    assert 13 <= steps.end / steps.evaluate_every <= 27
    assert steps.patience is None or steps.patience >= 6 * steps.evaluate_every - 6


def test_few_validation_rows_choose_no_checkpoint_and_are_trained_on_in_the_end() -> None:
    few, many = propose_training(200, 40, 2_000), propose_training(4_000, 800, 40_000)
    assert (few.checkpoint, few.refit) == ("last", True)
    assert steps_of(few, 200).patience is None
    assert (many.checkpoint, many.refit) == ("best", False)
    assert many.evaluate_every_epochs is not None
    assert many.early_stopping_patience_epochs == 6 * many.evaluate_every_epochs


def test_long_rows_get_fewer_passes_and_no_second_fit_that_takes_very_long() -> None:
    short, long = (propose_training(5_000, 800, 5_000 * steps) for steps in (10, 2_000))
    assert short.max_epochs is not None
    assert long.max_epochs is not None
    assert long.max_epochs < short.max_epochs
    assert not propose_training(500, 80, 500 * 100_000).refit


@pytest.mark.parametrize(
    ("steps", "others", "is_shortened"),
    [(199, {}, False), (200, {}, True), (200, {"word": ["a"] * 200}, False)],
)
def test_long_rows_of_numbers_alone_are_shortened_before_the_recurrent_layer(
    steps: int, others: dict[str, list[str]], is_shortened: bool, write_rows: WriteRows
) -> None:
    rows = [
        {"id": str(i), "label": "ab"[i % 2], "sequence": {"x": [0.5 * i] * steps, **others}}
        for i in range(40)
    ]
    found = propose(DataConfig(train=write_rows(rows), min_label_rows=1))
    assert [layer.stride for layer in found.model.front_end] == [4] * is_shortened
    assert any("front_end: of 4 steps" in why for why in found.reasons_of["model"]) is is_shortened


@pytest.mark.parametrize(("words", "share"), [(900, 0.0), (1_000, 0.3)])
def test_words_are_left_out_at_random_as_each_is_in_few_rows(
    words: int, share: float, write_rows: WriteRows
) -> None:
    rows = [
        {"id": str(i), "label": "ab"[i % 2], "sequence": {"word": [f"w{i % words}", f"w{i // 2}"]}}
        for i in range(1_000)
    ]
    assert propose(DataConfig(train=write_rows(rows))).model.dropout.input == share


def test_rows_whose_steps_have_labels_are_not_shortened(write_rows: WriteRows) -> None:
    rows = [
        {"id": str(i), "label": ["a", "b"] * 150, "sequence": {"x": [0.5 * i] * 300}}
        for i in range(40)
    ]
    assert propose(DataConfig(train=write_rows(rows), min_label_rows=1)).model.front_end == ()


def profile_with_test_labels(**labels: int) -> Profile:
    profile = new_profile(FeaturesConfig({"x": NumericFeature(kind="numeric")}))
    profile.splits["train"].labels.update(labels)
    profile.splits["test"].labels.update(labels)
    profile.splits["test"].rows = sum(labels.values())
    return profile


def test_the_gate_asks_for_more_than_always_naming_the_commonest_label() -> None:
    gate, notes = propose_gate(profile_with_test_labels(common=30, rare=20))
    assert gate.bounds == {"accuracy": Bound(min=0.8)}
    assert gate.min_examples == 40
    assert notes == []


def test_among_uneven_labels_the_gate_asks_for_macro_f1_and_the_note_says_why() -> None:
    gate, (note, threshold) = propose_gate(profile_with_test_labels(common=45, rare=5))
    # Always 'common': F1 of 2 * 0.9 / 1.9 and of 0, a quarter of the way from their mean to 1.
    assert gate.bounds == {"macro_f1": Bound(min=0.6)}
    assert note.startswith("90 % of the test rows have the label 'common', of 2 labels in training")
    assert note.endswith("that answer alone has 0.474.")
    assert threshold.startswith('threshold: {positive: "rare", aim: f_beta} would answer "rare"')


@pytest.mark.parametrize(
    ("common", "rare"), [(1, 1), (79, 21), (8, 2), (99, 1), (995, 5), (99_999, 1)]
)
def test_a_constant_answer_never_reaches_the_bound(common: int, rare: int) -> None:
    gate, notes = propose_gate(profile_with_test_labels(common=common, rare=rare))
    labels = np.array([0] * common + [1] * rare)
    answers = np.zeros_like(labels)
    reached = {
        "accuracy": accuracy_score(labels, answers),
        "macro_f1": f1_score(labels, answers, average="macro"),
    }
    ((metric, bound),) = gate.bounds.items()
    assert bound.min is not None
    assert reached[metric] < bound.min <= 1
    assert (metric == "macro_f1") is bool(notes) is (common / (common + rare) >= 0.8)


def test_a_test_split_of_one_label_is_doubted() -> None:
    _, (note,) = propose_gate(profile_with_test_labels(common=50))
    assert note.startswith("100 % of the test rows have the label 'common'")


def test_a_file_of_something_else_is_named_with_an_example_of_a_row(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("id,label,x\na,b,1\n")
    with pytest.raises(
        DataError, match=r"rows\.txt:1 is not a row \(invalid JSON: .*\): id,label,x\nExp"
    ):
        propose(DataConfig(train=str(tmp_path / "rows.txt")))


def test_a_table_without_a_sequence_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,label,x\na,b,1\nc,d,2\n")
    with pytest.raises(DataError, match=r"rows\.csv has no sequence that can be used"):
        propose(DataConfig(train=str(tmp_path / "rows.csv")))


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        propose(DataConfig(train=str(tmp_path / "rows.jsonl")))


def test_rows_without_a_usable_sequence_are_refused_with_the_reasons(write_rows: WriteRows) -> None:
    rows = [{"id": str(n), "label": "a", "sequence": {"x\ty": [1]}} for n in range(3)]
    with pytest.raises(
        DataError, match=r"no sequence that can be used(.|\n)*x\ty is left out: rename it"
    ):
        propose(DataConfig(train=write_rows(rows)))


def test_a_single_label_is_refused(write_rows: WriteRows) -> None:
    rows = [{**mixed_row(number), "label": "same"} for number in range(5)]
    with pytest.raises(DataError, match=r"expected two labels or more in .*, found 'same'"):
        propose(DataConfig(train=write_rows(rows)))


def test_rows_without_labels_are_refused_with_the_first_of_them(write_rows: WriteRows) -> None:
    rows = [{**mixed_row(number), "label": None} for number in range(5)]
    with pytest.raises(DataError, match=r"found none\. .*rows\.jsonl:1: 'label' is missing"):
        propose(DataConfig(train=write_rows(rows)))


def test_a_note_is_one_line_whatever_the_names_are(write_rows: WriteRows) -> None:
    rows = [{"id": str(n), "label": str(n % 2), "sequence": {"x": [n + 0.5], "y\nz": [1]}}
            for n in range(20)]  # fmt: skip
    (note,) = propose(DataConfig(train=write_rows(rows))).notes
    assert note.startswith("sequence.y z is left out")


def test_features_whose_names_hardly_differ_are_doubted(write_rows: WriteRows) -> None:
    spellings = ["pulse", "Pulse", "Pulse ", "gr\u00f6\u00dfe", "gro\u0308\u00dfe", "other"]
    rows = [{"id": str(n), "label": str(n % 2), "sequence": {spellings[n % 6]: [n], "x": [n + 0.5]}}
            for n in range(60)]  # fmt: skip
    notes = propose(DataConfig(train=write_rows(rows))).notes
    doubts = [note for note in notes if "in spaces or capitals alone" in note]
    assert [note.partition(",")[0] for note in doubts] == [
        "sequence has the features 'Pulse' and 'Pulse ' and 'pulse'",
        "sequence has the features 'gro\u0308\u00dfe' and 'gr\u00f6\u00dfe'",
    ]


def test_a_name_in_the_sequence_and_in_the_context_is_left_out_of_one(
    write_rows: WriteRows,
) -> None:
    rows = [{"id": str(n), "label": str(n % 2), "context": {"x": 1.5}, "sequence": {"x": [n + 0.5]}}
            for n in range(20)]  # fmt: skip
    found = propose(DataConfig(train=write_rows(rows)))
    assert found.features.context == {}
    assert found.notes == ("context.x is left out: a sequence has this name; rename one of them.",)


def test_a_byte_order_mark_blank_lines_and_broken_lines_leave_the_other_rows(
    tmp_path: Path,
) -> None:
    row = '{{"id": "{0}", "label": "{1}", "sequence": {{"x": [{0}.5]}}}}'
    good = [row.format(n, n % 2).encode() for n in range(20)]
    lines = [b"\xef\xbb\xbf" + good[0], b" ", *good[1:], b'{"id": "\xff"}', b'{"id": NaN}']
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = propose(DataConfig(train=str(path), bad_rows_allowed_fraction=0.1))
    assert (sum(found.rows.values()), found.invalid) == (20, 2)
    (note,) = found.notes
    assert "2 rows are invalid; the first is rows.jsonl:22: invalid UTF-8: byte 0xff at" in note


def test_a_broken_first_row_is_invalid_as_any_other(write_rows: WriteRows) -> None:
    found = propose(DataConfig(train=write_rows(["{", *(mixed_row(n) for n in range(60))])))
    assert (sum(found.rows.values()), found.invalid) == (60, 1)


def test_repeated_ids_and_labels_that_look_alike_are_noted(write_rows: WriteRows) -> None:
    labels = ["walk", " walk", "Walk", "run"]
    rows = [{"id": n // 3, "label": labels[n % 4], "sequence": {"x": [1.5]}} for n in range(30)]
    ids, alike, constant = propose(DataConfig(train=write_rows(rows))).notes
    assert ids.startswith("a run refuses these rows: every id may occur once, but 10 occur more")
    assert "'0' at rows.jsonl:1, rows.jsonl:2, rows.jsonl:3" in ids
    assert "the same" in constant
    assert alike.startswith("the labels ' walk' and 'Walk' and 'walk' differ in spaces or capitals")


def test_what_rows_lack_in_the_context_loses_no_row(write_rows: WriteRows) -> None:
    rows = [
        {"id": n, "label": n % 2, "sequence": {"x": [n + 0.5]},
         "context": {"age": n, "city": "AB"[n % 3 % 2]} if n % 3 else {"age": None}}
        for n in range(30)
    ]  # fmt: skip
    found = propose(DataConfig(train=write_rows(rows)))
    assert found.features.context == {
        "age": NumericFeature(kind="numeric", missing=15.0),
        "city": VocabularyFeature(kind="categorical", missing="missing"),
    }
    assert found.invalid == 0
    notes = "\n".join(found.notes)
    assert "context.age is missing in 10 of 30 rows: each is read as 15.0" in notes
    assert "context.city is missing in 10 of 30 rows: each is read as 'missing'" in notes


def test_nulls_among_numbers_lose_no_row(write_rows: WriteRows) -> None:
    rows = [{"id": n, "label": n % 2, "sequence": {"x": [n + 0.5, None]}} for n in range(30)]
    found = propose(DataConfig(train=write_rows(rows)))
    assert found.features.sequence["x"] == NumericFeature(kind="numeric", missing="previous")
    assert found.invalid == 0
    assert "sequence.x has 30 nulls among 60 numbers" in found.notes[0]


def _walks(count: int = 40) -> list[dict[str, object]]:
    return [
        {
            "id": f"w{number}",
            "label": ["rest"] * 2 + ["walk"] * (1 + number % 3),
            "sequence": {"x": [0.5] * (3 + number % 3)},
        }
        for number in range(count)
    ]


def test_lists_as_long_as_their_rows_are_labels_of_the_steps(write_rows: WriteRows) -> None:
    found = propose(DataConfig(train=write_rows(_walks())))
    assert found.data.label == "per_step"
    assert found.labels == {"rest": 80, "walk": 79}
    assert any("label: per_step" in reason for reason in found.reasons_of["data"])
    # Nothing sums the row up: its steps differ.
    assert found.model.pooling == "last"
    assert not found.features.summaries.learns
    assert found.invalid == 0


def test_a_row_whose_labels_are_too_few_is_an_invalid_one_among_labels_of_steps(
    write_rows: WriteRows,
) -> None:
    rows = _walks()
    rows[0]["label"] = ["rest"]
    found = propose(DataConfig(train=write_rows(rows)))
    assert (found.data.label, found.invalid) == ("per_step", 1)
    assert any("'label' has another length than the sequences" in note for note in found.notes)


def test_the_note_on_uneven_labels_counts_steps(write_rows: WriteRows) -> None:
    rows = _walks()
    for each in rows[3:]:
        each["label"] = ["rest"] * len(each["label"])  # type: ignore[arg-type]
    found = propose(DataConfig(train=write_rows(rows), min_label_rows=1))
    assert any("of the test steps have the label 'rest'" in note for note in found.notes)
