"""The transform graph of a directory of examples, for use inside an exported model.

It is the graph that made the training examples, with its vocabularies and moments. It takes raw
features and gives transformed ones, both in the forms of ``example_parsing``, in eager mode and
inside a ``tf.function``. It is a ``tf.Module`` whose vocabularies are tracked assets, so a module
that holds it as an attribute is saved with it, and is loaded again without TFT:

    class Served(tf.Module):
        def __init__(self, examples_path):
            self.schema = load_schema(examples_path)
            self.transform = load_transform(examples_path)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, serialized):
            return predict(self.transform(parse_raw_examples(serialized, self.schema)))
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from components.errors import NotFoundError
from components.training.example_parsing import parse_raw_examples, raw_feature_spec

__all__ = ["Transform", "load_transform", "parse_raw_examples", "raw_feature_spec"]

TRANSFORM_FN = Path("transform") / "transform_fn"


class Transform(tf.Module):
    """Raw features in, transformed features out: ``transform(raw)``."""

    def __init__(self, saved_model: Path) -> None:
        super().__init__(name="transform")
        # Held as an attribute, so that the vocabularies are tracked and saved with the module.
        self._saved = tf.saved_model.load(str(saved_model))

    def __call__(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Transforms features in the form of ``parse_raw_examples``; every one must be given."""
        return dict(self._saved.transform_fn(raw))


def load_transform(examples_path: str | Path) -> Transform:
    """Loads the transform graph that ``write_examples`` left.

    Raises:
        NotFoundError: the directory holds none.
    """
    saved_model = Path(examples_path) / TRANSFORM_FN
    if not saved_model.is_dir():
        raise NotFoundError(f"{examples_path} holds no transform graph: {TRANSFORM_FN} is missing.")
    return Transform(saved_model)
