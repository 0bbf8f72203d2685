"""Every command of both programs: what it does, its arguments and options."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import typer

from agent.cli.app import app as agent_app
from catalogue.cli.app import app as catalogue_app
from machine.help import Example, meaning, name_of, paragraphs

_COLUMNS = 120

_HEAD = """# Every command

Both programs end with 0 where all is well, 1 where the machine or the network must cure something, 2 where an edit
must, 3 where somebody must look at a history that is not what it was. `--help` says the same as this page.
"""


def cli_page() -> str:
    """The page, as Markdown."""
    parts = [_HEAD.rstrip()]
    for program, app in (("rewards-agent", agent_app), ("rewards-catalogue", catalogue_app)):
        command: Any = typer.main.get_command(app)
        parts.append(f"\n## {program}")
        parts.extend(_commands(command, typer.Context(command, info_name=program), program))
    return "\n".join(parts) + "\n"


def _commands(group: Any, context: Any, called: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = f"{called} {name}"
        if hasattr(command, "list_commands"):
            yield from _commands(command, typer.Context(command, info_name=name, parent=context), inner)
        else:
            yield from _one(command, inner)


def _one(command: Any, called: str) -> Iterator[str]:
    yield f"\n### {called}\n"
    said = (_paragraph(part) for part in paragraphs(command.help or ""))
    yield "\n\n".join(re.sub(r"<(?=[A-Za-z])", "&lt;", text) for text in said)
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = [_row(parameter) for parameter in shown]
    if rows:
        yield "\n| typed | meaning |\n|---|---|"
        yield from rows


def _paragraph(part: str | Example) -> str:
    if isinstance(part, Example):
        return f"{part.about}: `{part.command}`"
    return textwrap.fill(part, _COLUMNS, break_long_words=False, break_on_hyphens=False)


def _row(parameter: Any) -> str:
    return f"| `{_cell(name_of(parameter))}` | {_cell(meaning(parameter))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
