"""rnn_core: recurrent classifiers with the estimator's interface, native to TensorFlow 2.21.

What was ``tf.estimator.X`` or ``tf.estimator.experimental.X`` is ``rnn_core.X``.

The first use of such a name loads TensorFlow (some 9 s). ``import rnn_core`` alone does not, so
that a program can read ``rnn_core.names``, or build ``rnn_core.kernels``, without it.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

from rnn_core.left_out import NAMES

if TYPE_CHECKING:
    from rnn_core.public import *  # noqa: F403
else:

    def __getattr__(name: str) -> object:
        # PEP 562: called for a name that is not in the module yet. Names with an underscore are
        # what the import system and introspection probe for: none of them may load TensorFlow.
        if name in NAMES:
            raise AttributeError(
                f"module {__name__!r} has no attribute {name!r}: this name of tf.estimator is left "
                f"out. Use instead: {NAMES[name]}."
            )
        # `from rnn_core import callables` asks here first. To load all public names then would be a
        # circle: a module of the package would be imported while it imports this one.
        if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}"):
            return importlib.import_module(f"{__name__}.{name}")
        if name == "__all__" or not name.startswith("_"):
            public = importlib.import_module("rnn_core.public")
            globals().update({one: getattr(public, one) for one in public.__all__})
            globals()["__all__"] = public.__all__
            if name in globals():
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__getattr__("__all__")})
