"""The manual as tests see it: its pages, their blocks, and each command of ours that they type or name."""

from __future__ import annotations

import functools
import itertools
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from agent.cli.app import app as agent_app
from agent.config.rulefile.models import RulesPart
from catalogue.cli.app import app as catalogue_app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
ADR = DOCS / "adr"
PAGES = (ROOT / "README.md", *(page for page in sorted(DOCS.rglob("*.md")) if ADR not in page.parents))
CALL = re.compile(r"(?:^|[ /])(rewards-agent|rewards-catalogue)(?= |$)(.*)")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"&&|[|;<>]")
PROMPTS = ("$ ", "# ")
OF_RULES = {field.alias or name for name, field in RulesPart.model_fields.items()}
"""The tables and keys that a file of rules may have at its top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A command of ours that a page types: its program and its words, and the file that its answer goes to."""

    page: str
    program: str
    words: tuple[str, ...]
    to: str = ""

    @property
    def line(self) -> str:
        """As it is typed."""
        return f"{self.program} {shlex.join(self.words)}"

    @property
    def shape(self) -> tuple[str, ...]:
        """What it has in common with commands that differ in values alone: its name and its options."""
        _, rest = command_of(self.program, self.words)
        name = self.words[: len(self.words) - len(rest)]
        return (self.program, *name, *(word for word in rest if word.startswith("-")), self.to)

    def __str__(self) -> str:
        return f"{self.page}: {self.line}"


@functools.cache
def programs() -> dict[str, Any]:
    """Our two commands; made once, for making them takes longer than most of what they do."""
    return {
        "rewards-agent": typer.main.get_command(agent_app),
        "rewards-catalogue": typer.main.get_command(catalogue_app),
    }


def where(page: Path) -> str:
    """A page as people name it."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a page in one language, as they stand without the indent of a list."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [textwrap.dedent(body) for named, body in found if named == language]


def rule_files(page: Path) -> list[str]:
    """The blocks of a page that are rules, as files.

    One that says `schema`, or a rule that is there already, begins a file of its own; all others add to the one before.
    """
    files: list[list[str]] = []
    ids: set[str] = set()
    for body in blocks(page, "toml"):
        read = tomllib.loads(body)
        if not read.keys() <= OF_RULES:
            continue
        named = {str(rule["id"]) for rule in read.get("rule", ())}
        if not files or "schema" in read or named & ids:
            files.append([])
            ids = set()
        files[-1].append(body)
        ids |= named
    return ["\n".join(parts) for parts in files]


def typed() -> Iterator[Typed]:
    """Each command of ours that stands behind a prompt."""
    for page in PAGES:
        lines = (line for body in blocks(page, "console") for line in body.splitlines() if line.startswith(PROMPTS))
        for line in lines:
            for part in line[2:].split("&&"):
                yield from _call(where(page), re.sub(r"^ *runuser -u \S+ -- ", "", part).strip())


def _call(page: str, line: str) -> Iterator[Typed]:
    found = CALL.match(line) or re.match(r"^\S*/(rewards-agent|rewards-catalogue)(?= |$)(.*)", line)
    if found:
        words, to = SHELL.split(found[2])[0], re.search(r"> *(\S+)$", found[2])
        yield Typed(page=page, program=found[1], words=tuple(shlex.split(words)), to=to[1] if to else "")


def told() -> Iterator[Typed]:
    """Each command of ours in running text, between backticks."""
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for program, words in re.findall(r"`(rewards-agent|rewards-catalogue)((?: [^`]*)?)`", text):
            yield Typed(page=where(page), program=program, words=tuple(shlex.split(SHELL.split(words)[0])))


def command_of(program: str, words: tuple[str, ...]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words after it; asserts that there is one."""
    names = tuple(itertools.takewhile(lambda word: not word.startswith("-"), words))
    depth = next((number for number in range(len(names) + 1) if not _is_group(program, names[:number])), len(names))
    return _named(program, names[:depth]), list(words[depth:])


def _is_group(program: str, names: tuple[str, ...]) -> bool:
    return hasattr(_named(program, names), "get_command")


@functools.cache
def _named(program: str, names: tuple[str, ...]) -> Any:
    """A command or a group of commands by its words."""
    if not names:
        return programs()[program]
    group = _named(program, names[:-1])
    found = group.get_command(typer.Context(group), names[-1])
    assert found is not None, f"{program} has no command {shlex.join(names)}"
    return found
