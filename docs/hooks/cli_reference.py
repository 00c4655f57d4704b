"""The page of all commands, made from the click commands of ``rnnflow``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from pipelines.cli import rnnflow

_INTRODUCTION = """# Command line reference

This page is generated from the commands themselves; `rnnflow COMMAND --help` prints the same.

| Exit code | Meaning |
|---|---|
| 0 | promoted, unchanged, or done; a schedule that was stopped |
| 1 | an error: a server that cannot be reached, a full disk, a training that diverged |
| 2 | a mistake in the config, the data or the arguments; running again does not help |
| 3 | the gate refused the model |
"""


def cli_reference() -> str:
    """The whole page as Markdown."""
    return _INTRODUCTION + "".join(
        part for name, command in rnnflow.commands.items() for part in _section(name, command)
    )


def _section(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"rnnflow {name}")
    yield f"\n## rnnflow {name}\n\n"
    yield f"{inspect.cleandoc(command.help or '')}\n\n"
    yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```\n\n"
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        yield "| Option | Value | Default | Meaning |\n|---|---|---|---|\n"
    for option in options:
        value = "" if option.is_flag else option.type.name.replace("integer range", "integer")
        default = option.default if option.show_default and option.default is not None else ""
        cells = (
            ", ".join(f"`{flag}`" for flag in option.opts),
            value + (" (required)" if option.required else ""),
            f"`{default}`" if default != "" else "",
            option.help or "",
        )
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"
