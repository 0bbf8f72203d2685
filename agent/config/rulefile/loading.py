"""Reading the files of rules: every fault of every file at once, one version over all of them, one text to keep."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.config.document import Document, Fault, FaultsError, load, parse, validate
from agent.config.facts import FactTable
from agent.config.kinds import KindTable
from agent.config.rulefile import check, warn
from agent.config.rulefile.across import badges, challenges, checks, completions, reviews, scheduled
from agent.config.rulefile.merged import CURRENCIES, Merged, Part, RuleFile, merge
from agent.config.rulefile.models import Defaults, RulesPart
from agent.config.rulefile.sense import impossible, shadowed
from agent.config.rulefile.tables.calendar import ClosedDays
from agent.config.rulefile.tables.person import Person
from agent.config.rulefile.tables.review import Reviewing
from agent.errors import ConfigError

_HEADER = "#### file {name} ({size} characters) ####\n"
_HEADED = re.compile(r"#### file (.+) \((\d+) characters\) ####\n")


def load_rules(paths: Sequence[Path], *, kinds: KindTable | None = None, facts: FactTable | None = None) -> RuleFile:
    """The rules of one or several files, in this order.

    Examples are checked by `engine.rules.compile_rules`, which is the second half of loading.

    Raises:
        FaultsError: everything that is wrong in any of them, with positions.
        ConfigError: a file is not there or not readable, or there is none.
    """
    if not paths:
        raise ConfigError("there is no file of rules", hint='name one: [agent] rules = "rules.toml"')
    documents: list[Document] = []
    broken: list[Fault] = []
    for path in paths:
        try:
            documents.append(load(path))
        except FaultsError as error:
            broken.extend(error.faults)
    return _rules(documents, broken, kinds or KindTable(), facts or FactTable())


def load_rules_text(text: str, *, kinds: KindTable | None = None, facts: FactTable | None = None) -> RuleFile:
    """The rules of a kept `RuleFile.text`: the same version again.

    Raises:
        FaultsError: this version of the program no longer reads them.
    """
    found = _HEADED.match(text)
    if found is None:
        documents = [parse(text.encode(), Path("rules.toml"))]
    else:
        documents = []
        at = 0
        while found := _HEADED.match(text, at):
            body = text[found.end() : found.end() + int(found[2])]
            documents.append(parse(body.encode(), Path(found[1])))
            at = found.end() + len(body)
    return _rules(documents, [], kinds or KindTable(), facts or FactTable())


def _rules(documents: Sequence[Document], broken: list[Fault], kinds: KindTable, facts: FactTable) -> RuleFile:
    faults = list(broken)
    parts = []
    for document in documents:
        try:
            parts.append(Part(document=document, model=validate(document, RulesPart)))
        except FaultsError as error:
            faults.extend(error.faults)
            parts.append(_readable(document))
    merged, doubled = merge(parts)
    faults.extend(doubled)
    table = kinds.extended(merged.kind_entries())
    faults.extend(check.faults(merged, table, complete=not broken))
    faults.extend(
        () if broken else (*badges.faults(merged), *challenges.faults(merged, table), *completions.faults(merged))
    )
    faults.extend(() if broken else (*scheduled.faults(merged, table), *checks.faults(merged, table)))
    faults.extend(() if broken else reviews.faults(merged))
    if faults:
        raise FaultsError(faults)
    version, text = _version(documents)
    return _file(merged, version, text, tuple(sorted(_warnings(merged, table, facts))))


def _warnings(merged: Merged, kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    yield from warn.warnings(merged, kinds, facts)
    yield from impossible.warnings(merged, facts)
    yield from shadowed.warnings(merged, kinds)
    yield from challenges.warnings(merged, kinds, facts)
    yield from completions.warnings(merged)
    yield from scheduled.warnings(merged, facts)


def _readable(document: Document) -> Part:
    """What is in order of a file that is not, so that faults of meaning are told in the same breath.

    Keys with faults are taken out; then tables that need them.
    """
    data: dict[str, Any] = copy.deepcopy(dict(document.data))
    while True:
        kept = {
            key: [n for n, each in enumerate(value) if each is not None] for key, value in data.items() if _many(value)
        }
        good = {key: [value[n] for n in kept[key]] if key in kept else value for key, value in data.items()}
        try:
            return Part(document=document, model=RulesPart.model_validate(good), kept=kept)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                _take_out(data, details["loc"], kept)


def _many(value: Any) -> bool:
    return isinstance(value, list)


def _take_out(data: dict[str, Any], at: tuple[str | int, ...], kept: dict[str, list[int]]) -> None:
    """Remove the key a fault lies in; the whole table where the fault is its own (a key that is missing, say)."""
    key, name = str(at[0]), at[1] if len(at) > 1 else None
    inside: Any = data.get(key)
    if isinstance(inside, list) and isinstance(name, int):
        element = kept[key][name]
        table = inside[element]
        if isinstance(table, dict) and len(at) > 2 and at[2] in table:  # noqa: PLR2004 - a key of the table
            del table[at[2]]
        else:
            inside[element] = None
    elif isinstance(inside, dict) and name in inside:
        del inside[name]
    else:
        data.pop(key, None)


def _version(documents: Sequence[Document]) -> tuple[str, str]:
    """SHA-256 over the files' normalised texts, their order, and their names seen from the first one."""
    first = documents[0].path.parent
    names = ["", *(_name(document.path, first) for document in documents[1:])]
    texts = [document.text if document.text.endswith("\n") else f"{document.text}\n" for document in documents]
    digest = hashlib.sha256()
    for part in (each for pair in zip(names, texts, strict=True) for each in pair):
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big") + raw)
    if len(texts) == 1:
        return digest.hexdigest(), texts[0]
    names[0] = documents[0].path.name
    bundled = (_HEADER.format(name=name, size=len(text)) + text for name, text in zip(names, texts, strict=True))
    return digest.hexdigest(), "".join(bundled)


def _name(path: Path, first: Path) -> str:
    return path.relative_to(first).as_posix() if path.is_relative_to(first) else path.name


def _remind_after(review: Reviewing | None) -> int:
    return review.remind_after.seconds if review is not None else 0


def _profile(person: Person | None) -> dict[str, str]:
    return person.profile if person is not None else {}


def _file(merged: Merged, version: str, text: str, warnings: tuple[Fault, ...]) -> RuleFile:
    settings: dict[str, Any] = {key: value for key, value, _ in merged.settings()}
    closed: tuple[tuple[date, date], ...] = settings.get("calendar", ClosedDays()).closed
    return RuleFile(
        version=version,
        text=text,
        timezone=settings["timezone"],
        day_starts_at=settings.get("day_starts_at", 0),
        week_starts_on=settings.get("week_starts_on", 0),
        staff_earn=settings.get("defaults", Defaults()).staff_earn,
        closed=closed,
        periods={name: placed.it for name, placed in merged.periods.items()},
        currencies=CURRENCIES | {name: placed.it for name, placed in merged.currencies.items()},  # type: ignore[operator]
        programmes=merged.programmes,
        profile=_profile(settings.get("person")),
        safety=settings.get("safety"),
        remind_after=_remind_after(settings.get("review")),
        values={name: placed.it for name, placed in merged.values.items()},
        levels=tuple(placed.it for placed in merged.levels),
        budgets={name: placed.it for name, placed in merged.budgets.items()},
        kinds=merged.kind_entries(),
        rules=merged.rules,
        caps=merged.caps,
        denies=merged.denies,
        checks=merged.checks,
        cases=merged.cases,
        challenges=merged.challenges,
        scheduled=merged.scheduled,
        badges=merged.badges,
        tiers=merged.tiers,
        warnings=warnings,
    )
