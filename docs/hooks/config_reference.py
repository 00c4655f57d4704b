"""The page of all config keys, made from the JSON schema of ``PipelineConfig``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from components.config import LARGEST_INT
from pipelines.config import PipelineConfig

_INTRODUCTION = """# Configuration reference

One YAML file describes a pipeline. This page is generated from the classes that read it, so it
lists every key there is. [Your own data](own_data.md) explains a config step by step, and
[the gate](gate.md) what each rule computes.

- Only `name`, `data.train` and `features.sequence` are required; everything else has a default.
- Unknown keys and keys that are given twice are errors; for an unknown key the closest known key is
  suggested. All errors of a file are reported together.
- Paths are relative to the config file.
- Units are part of a key's name. A *fraction* lies between 0 and 1.
"""
_UNITS = {
    "kernel_steps": "time steps",
    "_row_steps": "time steps",
    "_request_steps": "time steps",
    "_steps": "training steps",
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_fraction": "fraction",
    "_rows": "rows",
    "_examples": "examples",
}
_WORDS = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "null": "null",
    "object": "mapping",
}
_COMPARISONS = {
    "exclusiveMinimum": "> {}",
    "minimum": "≥ {}",
    "exclusiveMaximum": "< {}",
    "maximum": "≤ {}",
}

Schema = Mapping[str, Any]


def config_reference() -> str:
    """The whole page as Markdown."""
    schema = TypeAdapter(PipelineConfig).json_schema()
    return _INTRODUCTION + "".join(_section(schema["$defs"], "", schema))


def undocumented_keys() -> list[str]:
    """Keys, as ``Class.key``, that have no sentence in the page."""
    schema = TypeAdapter(PipelineConfig).json_schema()
    return [
        f"{model.get('title')}.{key}"
        for model in (schema, *schema["$defs"].values())
        for key, value in model.get("properties", {}).items()
        if not _sentence(schema["$defs"], value)
    ]


def _section(models: Schema, path: str, model: Schema) -> Iterator[str]:
    """The table of one model, then the sections of the models that its keys hold."""
    level = min(2 + path.count("."), 4)
    yield f"\n{'#' * level} {f'`{path}`' if path else 'Top level'}\n\n"
    yield f"{_prose(model['description'])}\n\n"
    yield "| Key | Type | Unit | Default | Meaning |\n|---|---|---|---|---|\n"
    for key, value in model["properties"].items():
        required = key in model.get("required", ())
        cells = (
            f'<span class="key">`{key}`</span>',
            _type(models, value),
            next((unit for end, unit in _UNITS.items() if key.endswith(end)), ""),
            _default(value, required),
            _sentence(models, value),
        )
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"
    for key, value in model["properties"].items():
        child = f"{path}.{key}" if path else key
        for name in _references(value):
            yield from _section(models, _child_path(child, value, models[name]), models[name])


def _child_path(path: str, value: Schema, model: Schema) -> str:
    """``gate.bounds.*``; where a mapping takes several models, their kinds tell them apart."""
    if "$ref" in value:
        return path
    if value.get("type") == "array":
        return f"{path}[]"
    kind = model["properties"].get("kind")
    if kind is None:
        return f"{path}.*"
    return f"{path}.* (kind: {' or '.join(kind.get('enum', [kind.get('const')]))})"


def _references(value: Schema) -> list[str]:
    """The models that a key holds: itself, or the values of a mapping or a list, once each."""
    held = [value.get(key) for key in ("additionalProperties", "items")]
    parts: list[Schema] = [value, *(one for one in held if isinstance(one, dict))]
    options = [option for part in parts for option in (part, *_options(part))]
    found = [each["$ref"].rpartition("/")[2] for each in options if "$ref" in each]
    return list(dict.fromkeys(found))


def _options(value: Schema) -> list[Schema]:
    return list(value.get("oneOf") or value.get("anyOf") or [])


def _sentence(models: Schema, value: Schema) -> str:
    """The key's own sentence, or that of the model that it holds."""
    text = value.get("description") or ""
    if not text and "$ref" in value:
        text = models[value["$ref"].rpartition("/")[2]].get("description", "")
    return _prose(text)


def _prose(text: str) -> str:
    """Docstrings have code in double backquotes, Markdown in single ones."""
    return " ".join(text.replace("``", "`").split())


def _type(models: Schema, value: Schema) -> str:
    if "$ref" in value:
        return "section"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if options := _options(value):
        return " or ".join(dict.fromkeys(_type(models, each) for each in options))
    if value.get("type") == "array":
        return f"list of {_type(models, value.get('items', {}))}"
    if value.get("type") == "object":
        return _mapping_type(value)
    # The largest number of 32 bits stands for no limit of ours.
    limits = [
        text.format(f"{value[key]:,}" if isinstance(value[key], int) else f"{value[key]:g}")
        for key, text in _COMPARISONS.items()
        if value.get(key, LARGEST_INT) != LARGEST_INT
    ]
    word = _WORDS.get(value.get("type", ""), "any value")
    return f"{word} {', '.join(limits)}".strip()


def _mapping_type(value: Schema) -> str:
    keys = value.get("propertyNames", {}).get("enum")
    names = f" of {', '.join(f'`{key}`' for key in keys)}" if keys else " by name"
    return f"mapping{names if _references(value) or keys else ''}"


def _default(value: Schema, required: bool) -> str:
    if required:
        return "required"
    if "$ref" in value:
        return "see below"
    if "default" not in value:
        return ""
    default = value["default"]
    return "none" if default is None else f"`{json.dumps(default)}`"
