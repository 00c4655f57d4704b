"""What identifies a stage's work: its inputs, its settings, its code.

A stage is skipped only if its fingerprint was seen before. The fingerprint covers the content of
the data (never its modification time), the settings of that stage alone, and the code that the
stage can reach by import, so that an edit elsewhere in the tree reruns nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import to_jsonable_python

ROOT = Path(__file__).resolve().parents[2]
FIRST_PARTY = ("components", "rnn_core")
LIBRARIES = ("tensorflow", "keras", "apache-beam", "tensorflow-transform", "numpy")
"""A new version of one of these may change what a stage makes."""


def fingerprint(module: str, inputs: tuple[object, ...], root: Path = ROOT) -> str:
    """Identifies one stage's work, as 16 hexadecimal digits.

    Args:
      module: dotted name of the stage's module, such as ``components.data.examples``.
      inputs: what the stage is called with; a value with a ``digest`` counts by that alone.
      root: the folder that holds the packages.
    """
    described = [_describe(value) for value in inputs]
    text = json.dumps([module, described, code_digest(module, root), _versions()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def code_digest(module: str, root: Path = ROOT) -> str:
    """SHA-256 over the syntax trees of a module and of all that it imports from this project.

    Comments, blank lines and docstrings do not count.
    """
    digest = hashlib.sha256()
    for name in sorted(reachable_modules(module, root)):
        digest.update(name.encode())
        digest.update(_source(name, root).normalized.encode())
    return digest.hexdigest()


def reachable_modules(module: str, root: Path = ROOT) -> frozenset[str]:
    """The project's own modules that ``module`` imports, directly or not, itself included."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and _source_file(name, root) is not None:
            found.add(name)
            waiting.extend(_imports(name, root))
    return frozenset(found)


def _describe(value: object) -> Any:
    digest = getattr(value, "digest", None)
    return digest if digest is not None else to_jsonable_python(value)


def _imports(name: str, root: Path) -> Iterator[str]:
    yield from _parents(name)
    for imported in _source(name, root).imports:
        yield imported
        yield from _parents(imported)


class _Source(NamedTuple):
    """What counts of a module's source."""

    imports: tuple[str, ...]
    """The modules of this project that it names."""
    normalized: str
    """The syntax tree without docstrings."""


def _source(name: str, root: Path) -> _Source:
    return _parsed(_read(_source_file(name, root)))


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> _Source:
    """Stages share most of what they import, so that each module is parsed once."""
    tree = ast.parse(text)
    named = (name for node in ast.walk(tree) for name in _imported_names(node))
    imports = tuple(name for name in named if name.split(".")[0] in FIRST_PARTY)
    return _Source(imports, _normalized(tree))


def _imported_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _source_file(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _read(path: Path | None) -> str:
    return path.read_text(encoding="utf-8") if path else ""


def _normalized(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_docstring(line)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@functools.cache
def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
