"""``rnnflow init``: reads the data and writes a config that a person can read and edit."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import click
import yaml
from pydantic_core import to_jsonable_python

from components.artifacts.storage import check_output, is_url, write_atomically
from components.config import DEFAULT_COLUMNS, DataConfig, SplitConfig
from components.data.proposal import Proposal, propose
from components.data.sources.column_guess import guess_columns
from components.data.sources.formats import files_of, local_path, source_of
from components.errors import UserError
from components.label_tasks import PER_ROW, TASKS
from pipelines.config import parse_config
from pipelines.console import printable
from rnn_core.names import CellType


def write_config(
    data: Path | str,
    test: Path | str | None,
    validation: Path | str | None,
    output: Path | None,
    name: str | None,
    force: bool,
    *,
    row_id: str | None = None,
    label: str | None = None,
    group: str | None = None,
    time: str | None = None,
) -> None:
    """Writes the config beside the data, or where ``output`` says, and prints what was found.

    Raises:
        UserError: the config exists already.
        DataError: the rows cannot be used.
        NotFoundError: a file does not exist.
    """
    data = str(data)
    sources = [source_of(local_path(file)) for file in files_of(data)]
    for source in sources:
        source.check_readable()
    # Of what lies elsewhere the name alone counts: the config lies here.
    place = Path(urlsplit(data).path.rstrip("/")) if is_url(data) else Path(data)
    if len(sources) > 1 and any(char in data for char in "*?["):
        # A pattern is no name: the config lies beside the folder of its files.
        place = place.parent
    here = Path(place.name) if is_url(data) else place
    path = output or here.with_suffix(".yaml")
    check_output(path)
    if path.exists() and not force:
        raise UserError(f"{path} exists already: edit it, or replace it with --force.")
    found = propose(
        DataConfig(
            train=data,
            test=str(test) if test else None,
            validation=str(validation) if validation else None,
            columns=guess_columns(sources[0], row_id, label),
            split=SplitConfig(group=group, time=time),
        )
    )
    # MLflow and Prefect accept fewer characters in a name than a file system does.
    from_file = re.sub(r"[^A-Za-z0-9_.-]+", "-", place.stem).strip("-._") or "sequences"
    text = render_config(found, name or from_file, path.resolve().parent)
    # Before it is written: an option such as --name may hold what a config cannot.
    parse_config(text, source=str(path))
    write_atomically(path, text)
    lines = list(_seen(found))
    for part, features in (
        ("sequence", found.features.sequence),
        ("context", found.features.context),
    ):
        lines += [f"  {part}.{each.in_rows(key)}: {each.kind}" for key, each in features.items()]
    lines += [f"  note: {note}" for note in found.notes]
    for line in lines:
        click.echo(printable(line))
    click.echo(f"Wrote {path}. Review it, then: rnnflow run {shlex.quote(str(path))}")


def render_config(found: Proposal, name: str, folder: Path) -> str:
    """The YAML text: what was chosen, with what was seen as comments.

    Args:
        found: what the data are like.
        name: of the experiment and the registered model.
        folder: where the config will lie; the data paths are relative to it.
    """
    features = _changed(found.features)
    under_names_in_rows = {
        part: {each.pop("name_in_rows", key): each for key, each in features[part].items()}
        for part in ("sequence", "context")
    }
    sections = {
        "data": _paths_from(found.data, folder) | _rule_of_labels(found),
        "features": {**features, **under_names_in_rows},
        "model": _changed(found.model),
        "training": _changed(found.training),
        "gate": _changed(found.gate),
    }
    *others, last = get_args(CellType)
    cell_types = f"{', '.join(others)} or {last}"
    comments = {
        "data": [
            *_seen(found),
            *found.reasons_of.get("data", ()),
            "Paths are relative to this file.",
            *found.notes_of["data"],
        ],
        "features": [
            "One entry per feature; remove features that the model must not use.",
            *found.notes_of["features"],
        ],
        "model": [
            f"cell_type: {cell_types}; one entry of units per layer.",
            *found.reasons_of["model"],
        ],
        "training": found.reasons_of["training"],
        "gate": [
            "What a model must reach on the test split to be promoted.",
            *_commonest(found),
            *found.notes_of["gate"],
        ],
    }
    parts = [_yaml({"name": name, "seed": 7})]
    for key, values in sections.items():
        # YAML refuses control characters even in a comment, and a label may hold a line break.
        printable = ("".join(c if c.isprintable() else " " for c in line) for line in comments[key])
        parts.append("".join(f"# {line}\n" for line in printable) + _yaml({key: values}))
    return "\n".join(parts)


def _paths_from(data: DataConfig, folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = {
        key: path if is_url(path) else os.path.relpath(Path(path).resolve(), folder)
        for key in ("train", "validation", "test")
        if (path := getattr(data, key)) is not None
    }
    if data.label != PER_ROW.name:
        values["label"] = data.label
    if data.columns != DEFAULT_COLUMNS:
        values["columns"] = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(data.columns).items()
            if value != getattr(DEFAULT_COLUMNS, key)
        }
    if not data.split.is_by_id:
        values["split"] = {
            key: value for key, value in dataclasses.asdict(data.split).items() if value is not None
        }
    # A fraction that is beside a named file would be read and mean nothing.
    if data.validation is None:
        values["validation_fraction"] = data.validation_fraction
    if data.test is None:
        values["test_fraction"] = data.test_fraction
    return {**values, "bad_rows_allowed_fraction": data.bad_rows_allowed_fraction}


def _rule_of_labels(found: Proposal) -> dict[str, Any]:
    """The settings for rare labels, where there are any."""
    if not found.rare_labels:
        return {}
    return {"rare_labels": found.data.rare_labels, "min_label_rows": found.data.min_label_rows}


def _changed(value: Any) -> Any:
    """Plain nested values, without those that are None where nothing else is the default."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: _changed(child)
            for field in dataclasses.fields(value)
            if (child := getattr(value, field.name)) is not None or field.default is not None
        }
    if isinstance(value, dict):
        return {key: _changed(child) for key, child in value.items()}
    return to_jsonable_python(value)


def _yaml(values: dict[str, Any], indent: str = "") -> str:
    """Two levels as blocks (three of the features), what is below in one line each."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict) and value and (not indent or key in ("sequence", "context")):
            lines.append(f"{indent}{key}:\n{_yaml(value, indent + '  ')}")
        else:
            inline = yaml.safe_dump(
                {key: value},
                default_flow_style=True,
                width=1000,
                sort_keys=False,
                allow_unicode=True,
            )
            lines.append(f"{indent}{inline.strip()[1:-1]}\n")
    return "".join(lines)


def _commonest(found: Proposal) -> Iterator[str]:
    """What a bound on accuracy must be above, to be one."""
    if found.labels:
        label, count = max(found.labels.items(), key=lambda item: item[1])
        share = 100 * count / sum(found.labels.values())
        answers = TASKS[found.data.label].answers
        more = ": bound more" if "accuracy" in found.gate.bounds else ""
        yield f"Always answering {label!r} is right for {share:.3g} % of all {answers}{more}."


def _seen(found: Proposal) -> Iterator[str]:
    rows = ", ".join(f"{count:,} {split}" for split, count in found.rows.items())
    yield f"{sum(found.rows.values()):,} valid rows ({rows}), {found.invalid:,} invalid."
    commonest = sorted(found.labels.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{label}: {count:,}" for label, count in commonest[:6])
    more = f" and {len(commonest) - 6} more" if len(commonest) > 6 else ""
    of_steps = "" if found.data.label == PER_ROW.name else f" of {TASKS[found.data.label].answers}"
    yield f"{len(found.labels)} labels{of_steps} ({shown}{more})."
    # Long sequences cost the most time and memory, so their range stands where it is read first.
    least, median, greatest = found.lengths
    yield f"{least} to {greatest} steps, median {median}."
