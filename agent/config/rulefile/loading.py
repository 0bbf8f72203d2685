"""Reading the files of rules: every fault of every file at once, one version over all of them, one text to keep."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from agent.config.document import Document, Fault, FaultsError, KeyPath, load, parse, salvage
from agent.config.document.salvage import Instead
from agent.config.factentry import PERSON
from agent.config.facts import FactTable
from agent.config.kinds import KindTable
from agent.config.rulefile import check, warn
from agent.config.rulefile.across import (
    badges,
    challenges,
    checks,
    completions,
    experiments,
    hung,
    reviews,
    scheduled,
    stories,
)
from agent.config.rulefile.merged import CURRENCIES, Merged, Part, Placed, RuleFile, merge
from agent.config.rulefile.models import Defaults, RulesPart
from agent.config.rulefile.sense import durations, idle, impossible, outdone, shadowed, taken, timed, undoing, written
from agent.config.rulefile.tables.calendar import ClosedDays
from agent.config.rulefile.tables.person import Person
from agent.config.rulefile.tables.review import Reviewing
from agent.errors import ConfigError

_HEADER = "#### file {name} ({size} characters) ####\n"
_HEADED = re.compile(r"#### file (.+) \((\d+) characters\) ####\n")
_INSTEAD: Instead = {
    "rule": {
        "id": {"id": "0.faulty"},
        "on": {"on": [r"\faulty\event\on"]},
        "award": {"award": 0},
        "badge": {"award": 0},
    },
    "deny": {"on": {"on": [r"\faulty\event\on"]}, "reason": {"reason": "faulty"}},
    "cap": {"limit": {"limit": "1/ever"}},
}
"""What stands in for faulty keys of a table while its other faults are looked for."""


def load_rules(paths: Sequence[Path], *, facts: FactTable | None = None) -> RuleFile:
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
    return _rules(documents, broken, facts or FactTable())


def load_rules_text(text: str, *, facts: FactTable | None = None) -> RuleFile:
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
    return _rules(documents, [], facts or FactTable())


def _rules(documents: Sequence[Document], broken: list[Fault], facts: FactTable) -> RuleFile:
    faults = list(broken)
    parts = []
    for document in documents:
        left, model, found = salvage(document, RulesPart, _INSTEAD)
        faults.extend(found)
        parts.append(Part(document=left, model=model, written=document))
    merged, doubled = merge(parts)
    faults.extend(doubled)
    table = KindTable().extended(merged.kind_entries())
    faults.extend(check.faults(merged, table, complete=not broken))
    faults.extend(
        () if broken else (*badges.faults(merged), *challenges.faults(merged, table), *completions.faults(merged))
    )
    faults.extend(() if broken else (*scheduled.faults(merged, table), *checks.faults(merged, table)))
    faults.extend(() if broken else experiments.faults(merged, table))
    faults.extend(() if broken else reviews.faults(merged))
    hanging = [fault for document in documents for fault in hung.faults(document, table, facts)]
    explained = {(fault.file, fault.line) for fault in hanging}
    faults = [*hanging, *(fault for fault in faults if (fault.file, fault.line) not in explained)]
    if faults:
        raise FaultsError(faults)
    version, text = _version(documents)
    return _file(merged, version, text, tuple(sorted(_warnings(merged, table, facts))))


def _warnings(merged: Merged, kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    yield from warn.warnings(merged, kinds, facts)
    yield from impossible.warnings(merged, facts)
    yield from shadowed.warnings(merged, kinds)
    yield from idle.warnings(merged, kinds, facts)
    yield from outdone.warnings(merged)
    yield from challenges.warnings(merged, kinds, facts)
    yield from completions.warnings(merged)
    yield from scheduled.warnings(merged, kinds, facts)
    yield from experiments.warnings(merged, kinds, facts)
    yield from timed.warnings(merged)
    yield from durations.warnings(merged, facts)
    yield from undoing.warnings(merged, kinds, facts)
    yield from written.warnings(merged)
    yield from taken.warnings(merged)
    names = stories.Names.of(merged, kinds)
    for case in merged.cases:
        yield from stories.slips(case, names)


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


def _profile(merged: Merged) -> dict[str, Placed[str]]:
    """Each field of a profile with its place."""
    return {
        name: Placed(it=field, document=placed.document, path=(*placed.path, *_keys(name)))
        for _, value, placed in merged.settings()
        if isinstance(value, Person)
        for name, field in value.profile.items()
    }


def _keys(name: str) -> KeyPath:
    """Where `[person]` names the field of a role or a fact."""
    return ("facts", name.removeprefix(PERSON)) if name.startswith(PERSON) else (name, "profile_field")


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
        experiments=merged.experiments,
        profile=_profile(merged),
        safety=settings.get("safety"),
        remind_after=_remind_after(settings.get("review")),
        values=merged.values,
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
        places={
            (): Placed(it=None, document=merged.parts[0].document, path=()),
            **{("currency", name): placed for name, placed in merged.currencies.items()},
            **{("period", name): placed for name, placed in merged.periods.items()},
        },
    )
