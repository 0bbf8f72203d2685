"""One thing that was looked at, and how findings are shown."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import typer

from agent.cli.setup.looks.faults import FAULTS
from agent.errors import RewardsError
from machine.words import counted

Level = Literal["ok", "warn", "fail"]
_SIGNS: dict[Level, tuple[str, str]] = {"ok": ("ok  ", "green"), "warn": ("look", "yellow"), "fail": ("FAIL", "red")}
_NAMED_MAX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: how it is, what was found, what to do (empty where nothing).

    ``exit_code`` is what a failure ends the command with: 1 the machine cures it, 2 an edit, 3 a person who has looked.
    ``code`` is what programs know a fault by, one of `faults.FAULTS`; empty where nothing is wrong.
    """

    about: str
    level: Level
    found: str
    do: str = ""
    exit_code: int = 1
    code: str = ""

    @classmethod
    def of(cls, about: str, exc: RewardsError, code: str) -> Self:
        """An error as a finding; ``code`` where the error has none of its own."""
        known = exc.fault or code
        do = exc.hint or FAULTS[known].do
        return cls(about=about, level="fail", found=exc.message, do=do, exit_code=exc.exit_code, code=known)

    def told(self) -> dict[str, str]:
        """What of it is for people and programs."""
        return {"about": self.about, "level": self.level, "code": self.code, "found": self.found, "do": self.do}


def show(findings: Iterable[Finding]) -> None:
    """Print findings, a line each, with what to do below those that want something done."""
    colours = sys.stdout.isatty()
    for finding in findings:
        sign, colour = _SIGNS[finding.level]
        first, *more = finding.found.splitlines() or [""]
        code = f" [{finding.code}]" if finding.code else ""
        typer.echo(f"{typer.style(sign, fg=colour) if colours else sign}  {finding.about}: {first}{code}")
        for line in more:
            typer.echo(f"      {line}")
        if finding.do:
            typer.echo(f"      → {finding.do}")


def summary(findings: Sequence[Finding]) -> str:
    """`14 things looked at: 12 ok, 1 to look at, 1 failed`."""
    counts = Counter(finding.level for finding in findings)
    looked = f"{counted(len(findings), 'thing')} looked at"
    return f"{looked}: {counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed"


def exit_code(findings: Iterable[Finding]) -> int:
    """What a command that shows these ends with; 0 where nothing failed."""
    return max((finding.exit_code for finding in findings if finding.level == "fail"), default=0)


def named(names: Iterable[str]) -> str:
    """`a, b, c and 4 more`."""
    listed = sorted(names)
    shown, more = listed[:_NAMED_MAX], len(listed) - _NAMED_MAX
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def duration(seconds: float) -> str:
    """`3 s`, `5 min`, `7 h`, `12 days`: as exact as a person wants it."""
    whole = int(abs(seconds))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"
