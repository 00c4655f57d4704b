"""What is known of the examples after preprocessing: features, labels, vocabulary sizes.

It lies as ``schema.json`` in the directory of the examples.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from components.artifacts.storage import write_atomically
from components.config import DEFAULT_COLUMNS, MAX_ROW_STEPS, ColumnsConfig
from components.errors import NotFoundError
from components.features.config import FeaturesConfig
from components.label_tasks import TaskName

SCHEMA = "schema.json"


@dataclass(frozen=True)
class Schema:
    """The features, the sorted labels of the training split, and how many ids a feature gives out.

    ``vocabulary_sizes`` holds every feature that is not numeric: of strings those kept and the
    buckets for all others, of ids their size.
    """

    features: FeaturesConfig
    labels: tuple[str, ...]
    vocabulary_sizes: dict[str, int]
    max_row_steps: int = MAX_ROW_STEPS
    """The longest row that is answered. Models of releases without it take the default."""
    columns: ColumnsConfig = DEFAULT_COLUMNS
    """Which column of a table is what, where ``predict`` reads one."""
    label: TaskName = "per_row"
    """What has a label. Models of releases without it take the default."""
    truncate: Literal["head", "tail", "middle"] | None = None
    """Which steps are kept of a row that is longer than ``max_row_steps``."""


_ADAPTER = TypeAdapter(Schema)


def save_schema(schema: Schema, directory: Path) -> None:
    """Writes ``schema.json``."""
    # Sorted keys: the digest of the examples covers this file.
    content = json.dumps(_ADAPTER.dump_python(schema, mode="json"), indent=2, sort_keys=True)
    write_atomically(directory / SCHEMA, content + "\n")


def load_schema(examples_path: str | Path) -> Schema:
    """Reads ``schema.json`` of a directory of examples.

    Raises:
        NotFoundError: there is none, or it cannot be read.
    """
    path = Path(examples_path) / SCHEMA
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"{examples_path} holds no examples: {SCHEMA} is missing.") from error
    except ValidationError as error:
        raise NotFoundError(f"{path} is not a schema of examples: {error}") from error


def schema_directory(saved_model: Path) -> Path:
    """The directory of ``schema.json``, inside the SavedModel, so that it goes where that goes.

    ``assets.extra`` is the SavedModel's own convention for what is not TensorFlow's; loaders pass
    it over: https://www.tensorflow.org/guide/saved_model
    """
    return saved_model / "assets.extra"
