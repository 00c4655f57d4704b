"""The pages that are generated while the site is built.

Two describe the code and cannot drift from it (configuration, command line). Three are files that
also have readers elsewhere in the repository: their links are rewritten to those of the site.
"""

from __future__ import annotations

import re
from pathlib import Path

from cli_reference import cli_reference
from config_reference import config_reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_SHARED = {
    "infra/README.md": "infrastructure.md",
    "rnn_core/README.md": "rnn_core_migration.md",
}
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages to those of ``docs/``."""
    root = Path(config.config_file_path).parent
    pages = {
        "config_reference.md": config_reference(),
        "cli_reference.md": cli_reference(),
        **{page: shared_page(root, source) for source, page in _SHARED.items()},
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def shared_page(root: Path, source: str) -> str:
    """The text of a file of the repository, with its relative links as the site has them.

    A link to a file that is no page of the site becomes the path of that file: the site has no
    copy of the repository, and a link that leads nowhere helps nobody.

    Args:
      root: the repository.
      source: path of the file, relative to ``root``.
    """
    text = (root / source).read_text(encoding="utf-8")
    folder = (root / source).parent

    def rewritten(link: re.Match[str]) -> str:
        if "://" in link["target"]:
            return link[0]
        target = (folder / link["target"]).resolve().relative_to(root.resolve()).as_posix()
        page = _SHARED.get(target) or (target[5:] if target.startswith("docs/") else None)
        if page:
            return f"[{link['text']}]({page}{link['anchor'] or ''})"
        return link["text"] if link["text"].startswith("`") else f"{link['text']} (`{target}`)"

    return _LINK.sub(rewritten, text)
