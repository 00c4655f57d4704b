"""Where an exported model keeps what is not TensorFlow's: in ``assets.extra``, by its convention.

https://www.tensorflow.org/guide/saved_model names the directory; loaders pass it over.
"""

from __future__ import annotations

from pathlib import Path


def schema_directory(saved_model: Path) -> Path:
    """The directory of ``schema.json``, inside the SavedModel, so that it goes where that goes."""
    return saved_model / "assets.extra"
