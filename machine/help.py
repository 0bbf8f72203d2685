"""What `--help` says: plain lines of at most 80 columns that a terminal, a pipe and a screen reader show alike.

A command is told in the first line of its docstring, taught in the paragraphs after it, and typed in its examples:
paragraphs such as `Example: rewards-agent rules check --site`, whose command stands on a line of its own, to be copied.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from inspect import cleandoc
from typing import Any, NamedTuple

from typer.core import TyperCommand, TyperGroup

COLUMNS_MAX = 80
_NAMES_MAX = 26
_CHOICES_MAX = 24
_EXAMPLE = re.compile(r"([A-Z][^.:]*): (rewards-(?:agent|catalogue)\b.+)")


Block = tuple[str, Sequence[tuple[str, str]]]
"""A title, and names with what each means."""


class Example(NamedTuple):
    """A command to type, and what it is about: `Example`, `On the Moodle server`."""

    about: str
    command: str


def paragraphs(docstring: str) -> Iterator[str | Example]:
    """What a command says of itself, each paragraph in one line."""
    for text in re.split(r"\n\s*\n", cleandoc(docstring.partition("\f")[0])):
        line = " ".join(text.split())
        found = _EXAMPLE.fullmatch(line)
        yield Example(about=found[1], command=found[2]) if found else line


class Told(TyperCommand):
    """A command whose arguments and options have names that say what is to be typed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _name(self.params)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the line that begins with `Usage:`."""
        return ["[OPTIONS]", *(_typed(one) for one in _arguments(self, ctx))]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write `--help`."""
        formatter.write("\n".join(_told(self, ctx, "")))


class ToldGroup(TyperGroup):
    """A group of such commands."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _name(self.params)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as typer calls it
        """The words of the line that begins with `Usage:`."""
        return ["COMMAND", "…"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write `--help`, with a line for each command."""
        inner = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _first_sentence(one.help or "")) for name, one in inner if one is not None and not one.hidden]
        more = f"\nWhat each can do: {ctx.command_path} COMMAND --help\n"
        formatter.write("\n".join(_told(self, ctx, more, [("Commands", rows)])))


def _name(parameters: Iterable[Any]) -> None:
    """Give what is to be typed a name where nobody gave it one: what can be chosen, what it is, or its own."""
    for one in parameters:
        if one.metavar is None and not getattr(one, "is_flag", False):
            listed, own = "|".join(_choices(one)), max(one.opts, key=len).strip("-").rstrip("_")
            is_option = one.param_type_name == "option"
            called = _CALLED.get(own) if is_option else None
            one.metavar = listed if 0 < len(listed) <= _CHOICES_MAX else called or own.replace("-", "_").upper()


_CALLED = {
    name: called
    for called, names in {
        "CAMPUS": "owner",
        "CC": "country",
        "COLUMN=CELL": "set",
        "CURRENCY=N": "earned",
        "DAY": "complete-until from since until",
        "DIR": "data-dir dir to",
        "FILE": "config qr",
        "N": "after keep limit lines most per-minute seed stock",
        "NAME": "by",
        "PERCENT": "alert",
        "PSEUDONYM": "giver learner user",
        "SECONDS": "timeout",
        "TEXT": "because message reason title",
        "THING": "about",
        "TYPE": "funded-only",
        "WHO": "seen",
        "ZONE": "timezone",
    }.items()
    for name in names.split()
}
"""What options want that are not called what they want."""


def _choices(parameter: Any) -> list[str]:
    return [str(getattr(one, "value", one)) for one in parameter.type_descriptor.choices or ()]


def _arguments(command: Any, ctx: Any) -> list[Any]:
    return [one for one in command.get_params(ctx) if one.param_type_name == "argument"]


def _typed(argument: Any) -> str:
    """An argument as the line of usage shows it: `CAMPUS`, `[RULE]`, `FILE…`."""
    name: str = argument.metavar if argument.nargs == 1 else f"{argument.metavar}…"
    return name if argument.required else f"[{name}]"


def name_of(parameter: Any) -> str:
    """How it is typed: `-v, --verbose`, `--limit N`, `CAMPUS`, `FILE…`."""
    return _typed(parameter).strip("[]") if parameter.param_type_name == "argument" else _flagged(parameter)


def _told(
    command: Any, ctx: Any, more: str, blocks: Sequence[tuple[str, Sequence[tuple[str, str]]]] = ()
) -> Iterator[str]:
    width = min(shutil.get_terminal_size().columns, COLUMNS_MAX)
    yield f"Usage: {ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}\n"
    for part in paragraphs(command.help or ""):
        if isinstance(part, Example):
            yield f"{part.about}:\n  {part.command}\n"
        else:
            yield f"{textwrap.fill(part, width, break_on_hyphens=False)}\n"
    options = [one for one in command.get_params(ctx) if one.param_type_name == "option" and not one.hidden]
    own = [
        ("Arguments", [(name_of(one), meaning(one)) for one in _arguments(command, ctx)]),
        ("Options", [(name_of(one), meaning(one)) for one in options]),
    ]
    for title, rows in (*blocks, *own):
        if rows:
            yield f"{title}:"
            yield from _listed(rows, width)
            yield ""
    if more:
        yield more.strip("\n")


def _listed(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Names and what they mean, side by side; a long name has a line of its own."""
    wide = max((len(name) for name, _ in rows if len(name) <= _NAMES_MAX), default=_NAMES_MAX)
    for name, meaning in rows:
        first, *rest = textwrap.wrap(meaning, width - wide - 4, break_on_hyphens=False) or [""]
        if len(name) > wide:
            yield f"  {name}"
            rest.insert(0, first)
        else:
            yield f"  {name:<{wide}}  {first}".rstrip()
        yield from (f"{'':{wide + 4}}{line}" for line in rest)


def _flagged(option: Any) -> str:
    """`-v, --verbose`, `--limit N`."""
    names = ", ".join(sorted((*option.opts, *option.secondary_opts), key=len))
    return names if option.is_flag else f"{names} {option.metavar}"


def meaning(parameter: Any) -> str:
    """What it is for, what can be chosen, how much at least and at most, and what holds where it is not given."""
    choices = _choices(parameter)
    said = [f"one of {', '.join(choices)}"] if choices and parameter.metavar != "|".join(choices) else []
    said += [_bounds(parameter.min, parameter.max)]
    said += ["required"] if parameter.required and parameter.param_type_name == "option" else []
    said += ["may be repeated"] if getattr(parameter, "multiple", False) else []
    said += [f"else {default}"] if (default := _default(parameter)) else []
    more = "; ".join(filter(None, said))
    return f"{parameter.help or ''} ({more})" if more else parameter.help or ""


def _bounds(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"{least} to {most}"
    return f"at least {least}" if least is not None else f"at most {most}" if most is not None else ""


def _default(parameter: Any) -> str:
    """What holds where it is not given, where that says something."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    found = parameter.default
    if not parameter.show_default or callable(found) or found in (None, "", (), []) or isinstance(found, bool):
        return ""
    return str(getattr(found, "value", found))


def _first_sentence(text: str) -> str:
    first = next((part for part in paragraphs(text) if isinstance(part, str)), "")
    return re.split(r"(?<=\.) ", first)[0]
