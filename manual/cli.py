"""Every command of both programs: what it does, its arguments and options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import typer

from agent.cli.app import app as agent_app
from catalogue.cli.app import app as catalogue_app

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
    text = cleandoc(command.help or "").replace("\f", "")
    yield re.sub(r"<(?=[A-Za-z])", "&lt;", text)
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = [row for parameter in shown if (row := _row(parameter))]
    if rows:
        yield "\n| | |\n|---|---|"
        yield from rows


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown, help_ = parameter.metavar or parameter.name.upper(), getattr(parameter, "help", "") or ""
    else:
        names = ", ".join(parameter.opts)
        flag = getattr(parameter, "is_flag", False)
        shown = names if flag else f"{names} {parameter.metavar or 'TEXT'}"
        help_ = parameter.help or ""
    return f"| `{_cell(shown)}` | {_cell(help_)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
