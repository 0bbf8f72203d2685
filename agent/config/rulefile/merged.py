"""Several files of rules as one: everything in written order, each piece knowing the file and place it stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from agent.config.document import Document, Fault, KeyPath
from agent.config.grammar import Limit, Number
from agent.config.kinds import KindEntry
from agent.config.rulefile.experiment.table import Experiment
from agent.config.rulefile.models import Cap, Deny, KindModel, Rule, RulesPart
from agent.config.rulefile.tables.badge import Badge, Tier
from agent.config.rulefile.tables.calendar import Period
from agent.config.rulefile.tables.challenge import Challenge
from agent.config.rulefile.tables.check import FairCheck
from agent.config.rulefile.tables.currency import Currency, Level
from agent.config.rulefile.tables.programme import Programme
from agent.config.rulefile.tables.review import Safety
from agent.config.rulefile.tables.scheduled import Scheduled
from agent.config.rulefile.tables.story import Case

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

CURRENCIES: Mapping[str, Currency] = {"points": Currency(title="Points")}
"""Currencies that exist undeclared: spendable, whole, never expiring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed(Generic[T_co]):
    """A piece of a file, and where it stands."""

    it: T_co
    document: Document
    path: KeyPath

    def fault(self, message: str, hint: str = "", *, at: KeyPath = ()) -> Fault:
        """A fault at this piece, or at what ``at`` leads to from it."""
        return self.document.fault((*self.path, *at), message, hint)

    @property
    def where(self) -> str:
        """`rules.toml:12`."""
        line, _ = self.document.line_column(self.document.place(self.path).value)
        return f"{self.document.name}:{line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file as its model: ``document`` without what is faulty, ``written`` with it."""

    document: Document
    model: RulesPart
    written: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """The rules in force: every file together, checked.

    ``version`` is 64 hex digits over the normalised files; ``text`` is what `load_rules_text` reads again.
    ``day_starts_at`` is seconds after midnight, ``week_starts_on`` 0 for monday. ``warnings`` break nothing.
    ``profile`` gives, by role (`referrer`, `supervisor`) or fact (`person_…`), the profile field it is read from.
    ``remind_after`` is how long (seconds) a decision may be held before somebody is reminded; 0 for never.
    ``places`` has where each currency and period is declared, by `("currency", NAME)`, and under `()` the first file.
    """

    version: str
    text: str
    timezone: ZoneInfo
    day_starts_at: int
    week_starts_on: int
    staff_earn: bool
    closed: tuple[tuple[date, date], ...]
    periods: Mapping[str, Period]
    currencies: Mapping[str, Currency]
    values: Mapping[str, Placed[Mapping[str, Number]]]
    levels: tuple[Level, ...]
    budgets: Mapping[str, tuple[Limit, ...]]
    kinds: tuple[KindEntry, ...]
    rules: tuple[Placed[Rule], ...]
    caps: tuple[Placed[Cap], ...]
    denies: tuple[Placed[Deny], ...]
    checks: tuple[Placed[FairCheck], ...]
    cases: tuple[Placed[Case], ...]
    challenges: tuple[Placed[Challenge], ...] = ()
    scheduled: tuple[Placed[Scheduled], ...] = ()
    programmes: Mapping[str, Placed[Programme]] = field(default_factory=dict)
    experiments: Mapping[str, Placed[Experiment]] = field(default_factory=dict)
    profile: Mapping[str, Placed[str]] = field(default_factory=dict)
    safety: Safety | None = None
    remind_after: int = 0
    badges: tuple[Placed[Badge], ...] = ()
    tiers: tuple[Placed[Tier], ...] = ()
    warnings: tuple[Fault, ...] = ()
    places: Mapping[KeyPath, Placed[Any]] = field(default_factory=dict)

    def fault(self, path: KeyPath, message: str, hint: str) -> Fault:
        """A fault of a currency or a period; of one that is not declared any more, at the first file's beginning."""
        return (self.places.get(path[:2]) or self.places[()]).fault(message, hint, at=path[2:])

    @property
    def numbers(self) -> Mapping[str, Mapping[str, Number]]:
        """`[value.NAME]`: `default` and course short names → number (durations in seconds)."""
        return {name: placed.it for name, placed in self.values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What the files say together, not yet checked across."""

    parts: tuple[Part, ...]
    periods: Mapping[str, Placed[Period]]
    currencies: Mapping[str, Placed[Currency]]
    values: Mapping[str, Placed[Mapping[str, Number]]]
    programmes: Mapping[str, Placed[Programme]]
    experiments: Mapping[str, Placed[Experiment]]
    budgets: Mapping[str, Placed[tuple[Limit, ...]]]
    levels: tuple[Placed[Level], ...]
    badges: tuple[Placed[Badge], ...]
    tiers: tuple[Placed[Tier], ...]
    kinds: tuple[Placed[KindModel], ...]
    rules: tuple[Placed[Rule], ...]
    caps: tuple[Placed[Cap], ...]
    denies: tuple[Placed[Deny], ...]
    checks: tuple[Placed[FairCheck], ...]
    cases: tuple[Placed[Case], ...]
    challenges: tuple[Placed[Challenge], ...]
    scheduled: tuple[Placed[Scheduled], ...]

    def names(self, key: str) -> frozenset[str]:
        """The names that the files give under `[key.…]`, faulty ones included."""
        given = (part.written.data.get(key) for part in self.parts)
        return frozenset(name for table in given if isinstance(table, dict) for name in table)

    def currency_names(self) -> frozenset[str]:
        """Every currency there is."""
        return self.names("currency") | frozenset(CURRENCIES)

    def written_rules(self) -> Iterable[Placed[Mapping[str, object]]]:
        """Every `[[rule]]` as it was written, faulty ones included."""
        return self.written("rule")

    def written(self, key: str) -> Iterable[Placed[Mapping[str, object]]]:
        """Every element of a list of tables as it was written, faulty ones included."""
        for part in self.parts:
            listed = part.written.data.get(key)
            for number, element in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(element, dict):
                    yield Placed(it=element, document=part.written, path=(key, number))

    def groups(self) -> frozenset[str]:
        """The groups that rules are in."""
        groups = (rule.it.get("group") for rule in self.written_rules())
        return frozenset(group for group in groups if isinstance(group, str))

    def settings(self) -> list[tuple[str, object, Placed[RulesPart]]]:
        """Every setting that counts for all files, as (key, value, place), in written order."""
        keys = (
            "schema",
            "timezone",
            "day_starts_at",
            "week_starts_on",
            "calendar",
            "defaults",
            "person",
            "safety",
            "review",
        )
        found = []
        for part in self.parts:
            for key in keys:
                value = getattr(part.model, "schema_" if key == "schema" else key)
                if value is not None:
                    found.append((key, value, Placed(it=part.model, document=part.document, path=(key,))))
        return found

    def kind_entries(self) -> tuple[KindEntry, ...]:
        """The `[[kind]]` of all files as lines of the table."""
        return tuple(
            KindEntry(kind=each.it.kind, lms_event=each.it.lms_event, when=each.it.when, suffix=each.it.suffix)
            for each in self.kinds
        )


def merge(parts: Sequence[Part]) -> tuple[Merged, list[Fault]]:
    """The files together, with a fault for every name that two of them give."""
    faults: list[Fault] = []
    merged = Merged(
        parts=tuple(parts),
        periods=_tables("period", lambda model: model.period, parts, faults),
        currencies=_tables("currency", lambda model: model.currency, parts, faults),
        values=_tables("value", lambda model: model.value, parts, faults),
        programmes=_tables("programme", lambda model: model.programme, parts, faults),
        experiments=_tables("experiment", lambda model: model.experiment, parts, faults),
        budgets=_tables("budget", lambda model: model.budget, parts, faults),
        levels=tuple(_elements("level", lambda model: model.level, parts)),
        badges=tuple(_elements("badge", lambda model: model.badge, parts)),
        tiers=tuple(_elements("tier", lambda model: model.tier, parts)),
        kinds=tuple(_elements("kind", lambda model: model.kind, parts)),
        rules=tuple(_elements("rule", lambda model: model.rule, parts)),
        caps=tuple(_elements("cap", lambda model: model.cap, parts)),
        denies=tuple(_elements("deny", lambda model: model.deny, parts)),
        checks=tuple(_elements("check", lambda model: model.check, parts)),
        cases=tuple(_elements("case", lambda model: model.case, parts)),
        challenges=tuple(_elements("challenge", lambda model: model.challenge, parts)),
        scheduled=tuple(_elements("scheduled", lambda model: model.scheduled, parts)),
    )
    return merged, faults


def _tables(
    key: str, of: Callable[[RulesPart], Mapping[str, T]], parts: Sequence[Part], faults: list[Fault]
) -> Mapping[str, Placed[T]]:
    found: dict[str, Placed[T]] = {}
    for part in parts:
        for name, model in of(part.model).items():
            placed = Placed(it=model, document=part.document, path=(key, name))
            if name in found:
                message = f"[{key}] {name} stands in {found[name].where} already"
                faults.append(placed.fault(message, "keep one of the two"))
            found.setdefault(name, placed)
    return found


def _elements(key: str, of: Callable[[RulesPart], Sequence[T]], parts: Sequence[Part]) -> Iterable[Placed[T]]:
    for part in parts:
        for number, model in enumerate(of(part.model)):
            yield Placed(it=model, document=part.document, path=(key, number))
