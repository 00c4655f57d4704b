"""What identifies a stage's work: its inputs, its settings, its code.

A stage is skipped only if its fingerprint was seen before. The fingerprint covers the content of
the data (never its modification time), the settings of that stage alone, and the code that decides
what the stage makes: what it can reach by import, less what only reports or serves. An edit
elsewhere in the tree reruns nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic_core import to_jsonable_python

ROOT = Path(__file__).resolve().parents[2]
"""The folder of ``components``, and in a checkout of ``rnn_core`` too."""
FIRST_PARTY = ("components", "rnn_core")
LIBRARIES = ("tensorflow", "keras", "apache-beam", "tensorflow-transform", "numpy")
"""A new version of one of these may change what a stage makes."""

# An estimator can export and report, so its imports reach code that a weight never depends on.
# The longest prefix of a module's name decides: False leaves the module, and what only it imports,
# out. The exporter of the best checkpoint counts, because it chooses the weights.
_DECIDES_WEIGHTS: Final[Mapping[str, bool]] = {
    "rnn_core.export": False,
    "rnn_core.export.exporters.best_checkpoint": True,
    "rnn_core.hooks.logging_hooks": False,
    "rnn_core.storage.summaries": False,
}
# A kind of labels knows its head too; of that, examples have nothing.
_DECIDES: Final[Mapping[str, Mapping[str, bool]]] = {
    "components.data.examples": {"rnn_core": False},
    "components.training.train": _DECIDES_WEIGHTS,
    "components.evaluation.measure": _DECIDES_WEIGHTS,
    "components.evaluation.comparison": _DECIDES_WEIGHTS,
}
"""By a stage's module; every module that another stage reaches counts."""

_NATIVE_PACKAGE: Final = "rnn_core.kernels"
"""Its C++ sources and its build flags decide numbers, and no import names them."""


def fingerprint(module: str, inputs: tuple[object, ...], root: Path = ROOT) -> str:
    """Identifies one stage's work, as 16 hexadecimal digits.

    Args:
        module: dotted name of the stage's module, such as ``components.data.examples``.
        inputs: what the stage is called with; a value with a ``digest`` counts by that alone.
        root: the folder that holds the packages.
    """
    described = [_describe(value) for value in inputs]
    text = json.dumps([module, described, code_digest(module, root), _versions()], sort_keys=True)
    # 64 bits: a work directory would need billions of stages before two of them were likely to
    # agree.
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def code_digest(module: str, root: Path = ROOT) -> str:
    """SHA-256 over the syntax trees of a module and of all that decides with it what it makes.

    Comments, blank lines and docstrings do not count, in C++ sources neither.
    """
    digest = hashlib.sha256()
    sources = _Sources(root)
    modules = _reachable(module, sources)
    for name in sorted(modules):
        digest.update(name.encode())
        digest.update(sources.find(name).normalized.encode())
    if any(_is_below(name, _NATIVE_PACKAGE) for name in modules):
        folder = _base(_NATIVE_PACKAGE, root)
        for path in sorted([*folder.glob("*.cc"), *folder.glob("*.h")]):
            text = path.read_text(encoding="utf-8")
            code = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
            digest.update((path.name + " ".join(code.split())).encode())
        digest.update(sources.find(f"{_NATIVE_PACKAGE}.build").normalized.encode())
    return digest.hexdigest()


def reachable_modules(module: str, root: Path = ROOT) -> frozenset[str]:
    """The project's own modules that ``module`` imports, directly or not, itself included.

    A package's ``__init__``, and a module, that only gives names on is passed through: a name that
    is imported from it leads to the module that defines the name, and to no other.
    """
    return _reachable(module, _Sources(root))


def _reachable(module: str, sources: _Sources) -> frozenset[str]:
    decides = _DECIDES.get(module, {})
    found: set[str] = set()
    waiting = list(_resolve(module, sources))
    while waiting:
        name = waiting.pop()
        if name in found or not sources.has(name):
            continue
        prefixes = [prefix for prefix in decides if _is_below(name, prefix)]
        if prefixes and not decides[max(prefixes, key=len)]:
            continue
        found.add(name)
        source = sources.find(name)
        if not source.is_facade:
            for imported in source.imports:
                waiting.extend(_resolve(imported, sources))
    return frozenset(found)


def _is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _resolve(dotted: str, sources: _Sources) -> Iterator[str]:
    """The modules behind ``package.name``: each package on the way, and where the name is from."""
    name, _, rest = dotted.partition(".")
    while True:
        yield name
        part, _, rest = rest.partition(".")
        if not part:
            return
        if sources.has(f"{name}.{part}"):
            name = f"{name}.{part}"
            continue
        names = sources.find(name).names
        if origin := names.get(part) or names.get("*", "").replace("*", part):
            yield from _resolve(origin, sources)
        return


def _describe(value: object) -> Any:
    digest = getattr(value, "digest", None)
    return digest if digest is not None else to_jsonable_python(value)


class _Source(NamedTuple):
    """What counts of a module's source."""

    imports: tuple[str, ...]
    """What it imports of this project: modules, and names in them, dotted."""
    names: Mapping[str, str]
    """For a facade: each name that it gives on, or ``*``, with the dotted name behind it."""
    is_facade: bool
    """Whether it is a package's ``__init__``, or holds nothing but imports."""
    normalized: str
    """The syntax tree without docstrings; of a facade also without imports."""


class _Sources:
    """The modules below a folder: each file is found and read once, for they share most imports."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[str, _Source | None] = {}

    def has(self, name: str) -> bool:
        """Whether there is such a module or package."""
        if name not in self._found:
            base = _base(name, self._root)
            candidates = (base.with_suffix(".py"), base / "__init__.py")
            path = next((path for path in candidates if path.is_file()), None)
            self._found[name] = (
                _parsed(path.read_text(encoding="utf-8"), path.name == "__init__.py")
                if path
                else None
            )
        return self._found[name] is not None

    def find(self, name: str) -> _Source:
        """What counts of a module; an empty one if there is none."""
        return (self.has(name) and self._found[name]) or _Source((), {}, False, "")


@functools.lru_cache(maxsize=1024)
def _parsed(text: str, is_init: bool) -> _Source:
    """Stages share most of what they import, so that each module is parsed once."""
    tree = ast.parse(text)
    nodes = _nodes(tree)
    is_facade = is_init or all(_is_docstring(line) or _gives_names_on(line) for line in tree.body)
    imports = tuple(
        name
        for node in nodes
        for name in _imported_names(node)
        if name.split(".")[0] in FIRST_PARTY
    )
    names = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in nodes
        if is_facade and isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in nodes:
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_docstring(line)]  # type: ignore[attr-defined]
    if is_facade:
        tree.body = [line for line in tree.body if not _gives_names_on(line)]
    return _Source(imports, names, is_facade, ast.dump(tree))


def _nodes(tree: ast.Module) -> list[ast.AST]:
    """As ``ast.walk``, which takes several times as long for a tree of this size."""
    found: list[ast.AST] = [tree]
    for node in found:  # grows meanwhile
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                found.append(value)
            elif isinstance(value, list):
                found.extend(child for child in value if isinstance(child, ast.AST))
    return found


def _imported_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        # The names that are used of a package come with its attributes, below.
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Attribute):
        parts = [node.attr]
        value = node.value
        while isinstance(value, ast.Attribute):
            parts.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            yield ".".join([value.id, *reversed(parts)])


def _base(name: str, root: Path) -> Path:
    """The path of a module without its suffix, or of a package."""
    if root == ROOT and name.partition(".")[0] == "rnn_core":
        root = _rnn_core_root()
    return root.joinpath(*name.split("."))


@functools.cache
def _rnn_core_root() -> Path:
    """Installed as wheels, ``rnn_core`` does not lie beside ``components``; Python finds it."""
    spec = importlib.util.find_spec("rnn_core")
    return Path(spec.origin).resolve().parents[1] if spec and spec.origin else ROOT


def _gives_names_on(node: ast.AST) -> bool:
    is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    return is_all or isinstance(node, ast.Import | ast.ImportFrom)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@functools.cache
def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
