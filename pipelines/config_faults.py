"""What is wrong with a config, for a person: one line per fault, with its path and what to do.

A line says where, what was expected, and what came; for an unknown key also which one was meant.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from components.config import SettingsError
from components.metrics import METRICS

WISHES: Mapping[str, str] = {
    **dict.fromkeys(
        ("epochs", "num_epochs", "n_epochs"),
        "it is training.max_epochs here",
    ),
    **dict.fromkeys(("lr", "step_size"), "it is model.optimizer.learning_rate here"),
    **dict.fromkeys(
        ("hidden", "hidden_size", "hidden_dim", "layers", "num_layers", "n_layers"),
        "model.units has the hidden units of each layer, such as [64, 32]",
    ),
    **dict.fromkeys(("cell", "rnn", "rnn_type", "type"), "it is model.cell_type here"),
    **dict.fromkeys(("patience", "early_stopping"), "see training.early_stopping_patience_steps"),
    **dict.fromkeys(("random_seed", "random_state"), "it is seed, at the top level"),
    **dict.fromkeys(("path", "file", "data_path", "train_path"), "it is data.train here"),
    **dict.fromkeys(
        ("valid", "val", "val_split", "validation_split"),
        "data.validation_fraction is a share of the rows, data.validation a file",
    ),
    **dict.fromkeys(
        ("test_split", "test_size"), "data.test_fraction is a share of the rows, data.test a file"
    ),
    **dict.fromkeys(
        ("target", "label_column", "target_column"),
        "each row has its label under the key 'label'; see docs/own_data.md",
    ),
    **dict.fromkeys(
        ("task", "labels", "return_sequences", "label_type"),
        "data.label says what has a label: per_row or per_step",
    ),
    **dict.fromkeys(
        ("format", "delimiter", "separator", "encoding"),
        "rows are JSON lines in UTF-8, .jsonl or .jsonl.gz; convert other files first",
    ),
    **dict.fromkeys(
        ("group_by", "groups", "split_by", "group_column"),
        "data.split.group keeps the rows of a group together",
    ),
    "shuffle": "the id of a row decides its split, whatever the order of the rows is",
    "stratify": "the rows of each label are split by the shares in data, always",
    **dict.fromkeys(
        ("default", "fill", "fill_value", "impute"), "a numeric feature has it as missing"
    ),
    **dict.fromkeys(
        ("column", "field", "source", "rename", "alias"), "a feature has it as name_in_rows"
    ),
    **dict.fromkeys(
        ("log", "scale"),
        "a numeric feature has clip, log1p, normalize, missing and subtract",
    ),
    **dict.fromkeys(
        ("gradient_clipping", "clipnorm", "clip_gradients", "max_grad_norm"),
        "it is model.optimizer.clip_norm here",
    ),
    **dict.fromkeys(("embedding", "embedding_size"), "a feature has it as embedding_dimension"),
    **dict.fromkeys(("vocab_size", "max_tokens"), "a feature has it as max_size"),
    **dict.fromkeys(
        ("gpu", "gpus", "device", "devices"),
        "TensorFlow takes what it finds; CUDA_VISIBLE_DEVICES chooses",
    ),
    "mlflow": "MLFLOW_TRACKING_URI in the environment names the server",
    "tracking_uri": "MLFLOW_TRACKING_URI in the environment names the server",
    "work_dir": "it is an option: --work-dir",
    "output": "it is an option: --work-dir",
    "recurrent_dropout": "it is model.dropout.recurrent here",
    "attention": "it is a way of model.pooling here",
    **dict.fromkeys(
        ("warmup", "warmup_steps", "momentum"),
        "the optimizer has no such setting; model.optimizer.schedule lets the rate fall",
    ),
    **dict.fromkeys(
        ("class_weight", "sample_weight", "weights"),
        "model.loss.class_weights weighs the rows of each class",
    ),
    **dict.fromkeys(
        ("slice", "segments", "subgroups", "cohorts", "slicing_specs"), "it is gate.slices here"
    ),
    **dict.fromkeys(
        ("auc", "top_k_accuracy"),
        f"the gate bounds {', '.join(METRICS)}",
    ),
    "decision": "threshold says from which probability on a label is answered",
    "k": "it is metrics.top_k here",
    "f1": "it is macro_f1 here",
    "pr_auc": "it is average_precision here",
}
"""What newcomers look for under another name, or in vain, and where it is."""

_EXPECTED: Mapping[str, str] = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of a usual size",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text of the pattern {pattern}",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "a number below {lt}",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "tuple_type": "a list such as [64]",
    "dict_type": "keys with values",
    "dataclass_type": "keys with values",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "model_attributes_type": "keys with values, such as {{kind: numeric}}",
}
"""By pydantic's type of a fault; its own message stands for the others."""


def fault_lines(errors: Iterable[ErrorDetails], values: object, root: Hashable) -> list[str]:
    """One line per path that is wrong, in the order of the config.

    Args:
        errors: what pydantic found.
        values: what was validated.
        root: the dataclass of the whole config.
    """
    faults: dict[str, list[str]] = {}
    for detail in errors:
        for path, fault in _faults(detail, values, root):
            faults.setdefault(path, []).append(fault)
    return [f"{path or '(top level)'}: {_joined(found)}" for path, found in faults.items()]


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: at most one slip in every three letters."""
    every = list(known)
    if not every:
        return None
    nearest = min(every, key=lambda each: _slips(word.lower(), each.lower()))
    allowed = max(1, min(len(word), len(nearest)) // 3)
    return nearest if _slips(word.lower(), nearest.lower()) <= allowed else None


def _slips(one: str, other: str) -> int:
    """Letters to add, drop, change, or swap with their neighbour, to get from one to the other.

    The optimal string alignment distance: row i has the distances of one's first i letters.
    """
    if abs(len(one) - len(other)) > max(len(one), len(other)) // 2:
        return max(len(one), len(other))
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, counterpart in enumerate(other, start=1):
            changed = rows[-1][j - 1] + (letter != counterpart)
            row.append(min(rows[-1][j] + 1, row[-1] + 1, changed))
            if i > 1 < j and letter == other[j - 2] and one[i - 2] == counterpart:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


def _faults(detail: ErrorDetails, values: object, root: Hashable) -> Iterator[tuple[str, str]]:
    place = _place(detail["loc"], values)
    path = ".".join(map(_printed, place))
    kind, context = detail["type"], detail.get("ctx", {})
    error = context.get("error")
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        yield path, _unknown(place, detail["loc"], root)
    elif kind == "literal_error" and detail["loc"][-1] == "[key]":
        yield path, _unknown(place, detail["loc"], root, list(METRICS))
    elif kind in ("missing", "missing_argument"):
        yield path, "this key is required"
    elif kind == "union_tag_not_found":
        yield f"{path}.kind", "this key is required, such as kind: numeric"
    elif kind == "union_tag_invalid":
        got = detail["input"]["kind"]
        yield f"{path}.kind", f"expected one of {context['expected_tags']}; got {_shown(got)}"
    elif isinstance(error, SettingsError):
        for below, fault in error.faults:
            yield ".".join(filter(None, (path, below))), fault
    else:
        template = _EXPECTED.get(kind)
        expected = f"expected {template.format(**context)}" if template else ""
        message = expected or str(error or detail["msg"][:1].lower() + detail["msg"][1:])
        yield path, f"{message}; got {_shown(detail['input'])}"


def _place(loc: tuple[int | str, ...], values: Any) -> tuple[str, ...]:
    """The path in the file: pydantic's also has the names of what a value was tried as."""
    place: list[str] = []
    for index, part in enumerate(loc):
        is_there = (isinstance(values, Mapping) and part in values) or (
            isinstance(values, list) and isinstance(part, int) and part < len(values)
        )
        if is_there:
            values = values[part]
        # A key that is missing; but no kind of value, which only a value that is there is tried as.
        elif index < len(loc) - 1 or not isinstance(values, Mapping) or part == "[key]":
            continue
        place.append(str(part))
    return tuple(place)


def _printed(part: str) -> str:
    return part if part.isprintable() and part else repr(part)


def _joined(found: list[str]) -> str:
    """A value that may be of several kinds has a fault for each of them, with one value."""
    starts = [each.partition("; got ") for each in dict.fromkeys(found)]
    first, _, got = starts[0]
    if got and len({end for *_, end in starts}) == 1:
        others = "".join(f" or {start.removeprefix('expected ')}" for start, *_ in starts[1:])
        return f"{first}{others}; got {got}"
    return "; ".join(dict.fromkeys(found))


def _shown(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except ValueError:  # Python prints no number of more than 4300 digits
        return "a number of thousands of digits"


@dataclasses.dataclass(frozen=True)
class _Section:
    """The keys below one path, in which ``*`` is a name that the user chose."""

    path: tuple[str, ...]
    keys: tuple[str, ...]
    kinds: tuple[str, ...]
    """The values of ``kind`` for which there are these keys; empty if there is no such key."""

    def full(self, key: str) -> str:
        return ".".join((*self.path, key)).replace("*", "NAME")


@functools.cache
def _sections(root: Hashable) -> tuple[_Section, ...]:
    """All sections, the top level first."""

    def below(annotation: Any, path: tuple[str, ...]) -> Iterator[_Section]:
        origin = typing.get_origin(annotation)
        if origin is None and isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
            fields: dict[str, Any] = vars(annotation)["__pydantic_fields__"]
            kind = fields.get("kind")
            kinds = typing.get_args(kind.annotation) if kind else ()
            yield _Section(path, tuple(fields), kinds)
            for name, field in fields.items():
                yield from below(field.annotation, (*path, name))
            return
        for inner in typing.get_args(annotation):
            yield from below(inner, (*path, "*") if origin is dict else path)

    return tuple(below(root, ()))


def _unknown(
    place: tuple[str, ...], loc: tuple[int | str, ...], root: Hashable, known: Sequence[str] = ()
) -> str:
    """What to say of a key that is not there: the one that was meant, or where that wish goes."""
    key, sections = place[-1], _sections(root)
    if not known:
        here = [
            section
            for section in sections
            if len(section.path) == len(place) - 1
            and all(each in ("*", part) for each, part in zip(section.path, place, strict=False))
            and (not section.kinds or set(section.kinds) & set(loc))
        ]
        known = here[0].keys if here else ()
    if near := closest(key, known):
        return f"unknown key; did you mean {near!r}?"
    if wish := WISHES.get(key.lower()):
        return f"unknown key; {wish}"
    every = {name: section for section in reversed(sections) for name in section.keys}
    full = {name: section.full(name) for name, section in every.items()}
    full |= {name: f"gate.bounds.{name}" for name in METRICS}
    if near := closest(key, full):
        return f"unknown key here; did you mean {full[near]!r}?"
    return f"unknown key; known here: {', '.join(known)}"
