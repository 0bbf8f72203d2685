"""The tables of `cases/*.toml` as Python: capabilities, each with its rules and the stories that show it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ID = re.compile(r"[SM]\d?-\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What is given, in order, and what is expected in the end; all counted from 1.

    ``given`` are acts as a `[[case]]` tells them, with two keys more: ``again`` is the number of the act that this is
    another sighting of, ``source`` is "post" for what was posted and not logged. What has ``do`` is done by hand (see
    `stage`); ``fails`` is how it is refused, ``tells`` what it answers.

    ``expect`` is what each learner has, from one rule or in all; ``entries`` are all of them as lines; ``refused`` and
    ``held`` name an act, a rule, and how the reason begins; ``messages`` what was said; ``shown`` what `learner show`
    tells. ``apart`` says why it does not end the same in one page, where it does not.
    """

    name: str
    given: Sequence[Mapping[str, Any]]
    expect: Sequence[Mapping[str, Any]] = ()
    entries: Sequence[str] | None = None
    refused: Sequence[Mapping[str, Any]] = ()
    held: Sequence[Mapping[str, Any]] = ()
    messages: Sequence[Mapping[str, Any]] = ()
    shown: Sequence[Mapping[str, Any]] = ()
    shadow: bool = False
    apart: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """``ids`` are those of `docs/features.md`; ``says`` is the promise in one sentence."""

    ids: tuple[str, ...]
    says: str
    rules: str
    stories: tuple[Story, ...] = field(default=())


def capabilities() -> list[Capability]:
    """All of them, in the order of the files."""
    return [
        _capability(path, table)
        for path in sorted((HERE / "cases").glob("*.toml"))
        for table in tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)["capability"]
    ]


def elsewhere() -> dict[str, list[str]]:
    """What a story cannot tell: id → names of the tests that show it."""
    found: dict[str, list[str]] = _elsewhere()["shown_by"]
    return found


def of_other_rooms() -> dict[str, str]:
    """What is no business of the engine: id → the room that has it."""
    found: dict[str, str] = _elsewhere()["other_rooms"]
    return found


def _elsewhere() -> dict[str, Any]:
    return tomllib.loads((HERE / "elsewhere.toml").read_text(encoding="utf-8"))


def _capability(path: Path, table: Mapping[str, Any]) -> Capability:
    unknown = set(table) - {"ids", "says", "rules", "story"}
    assert not unknown, f"{path.name}: {unknown}"
    assert all(ID.fullmatch(name) for name in table["ids"]), f"{path.name}: {table['ids']}"
    stories = tuple(Story(**story) for story in table["story"])
    return Capability(ids=tuple(table["ids"]), says=table["says"], rules=table["rules"], stories=stories)
