"""Rules made ready to judge: each with its closures and quotas, found by the event's kind and LMS name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from agent.config.rulefile import Challenge, Level, Rule, Scheduled
from agent.config.rulefile.tables.badge import Badge, Tier
from agent.config.rulefile.tables.currency import Currency
from agent.engine.calendar import Calendar, Moment
from agent.engine.conditions import Judge, Values, fact_of, shown
from agent.engine.earning.amounts import Pays
from agent.engine.earning.challenge.form import Counting
from agent.engine.earning.derivation import Derivation
from agent.engine.earning.sets import Form
from agent.engine.experiment.groups import Experiment
from agent.engine.fairness import CompiledCheck
from agent.engine.filters import When, Whom
from agent.engine.quota import Quota, Span
from agent.engine.recognition import model as recognised
from agent.engine.recognition.compiled import Words
from agent.engine.recognition.model import Recognition
from agent.engine.timing.timetable import Timetable
from agent.model import Demand, Event, Observation, Posting, Role, Trust

BADGE = recognised.BADGE
"""Before the id of a badge: a badge is an account."""

_MATCHES_MAX = 10_000

_OBJECTS = frozenset({"lesson", "section", "course", "post"})
_WINDOWS = frozenset({"day", "week", "month", "year"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """One recipient of a rule: ``postings`` in smallest units, the quotas of the rule, and those shared with others.

    Where amounts are worked out from facts, ``pays`` does it, and such postings are 0.
    """

    role: Role
    postings: tuple[Posting, ...]
    own: tuple[Quota, ...]
    shared: tuple[Quota, ...]
    quotas: tuple[Quota, ...]
    pays: Pays | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """What a rule is once per: the ``names`` of its scope, and the quota that they make."""

    names: tuple[str, ...]
    quota: Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule as closures; ``spec`` is how it was written. None stands for "nothing to check".

    ``onces`` is by kind, since what is left out differs by kind; None is for events without one. ``undo_by`` names what
    an award must be found again by (`undo.refs_of`), nothing where no event undoes it. ``doubt`` is there where awards
    fall when a later event says that the conditions are no longer met, ``told_again`` the kinds that tell so without
    earning. ``form`` is there where awards
    are decided from a set; ``then`` is what the completion of that set brings about for the same learner.
    ``recognition`` is there where badges follow from awards or rules require something; all rules of a book share it.
    ``review`` is why each award waits for a person, or nothing; ``braked`` says that quotas look at what is usual.
    ``experiments`` keep a share of the learners out of it.
    """

    id: str
    spec: Rule
    version: str
    mode: str
    min_trust: Trust
    payees: tuple[Payee, ...]
    when: When | None
    whom: Whom | None
    condition: Judge | None
    onces: Mapping[str | None, Once]
    undo_by: frozenset[str] = frozenset()
    doubt: Judge | None = None
    told_again: frozenset[str] = frozenset()
    form: Form | None = None
    then: CompiledRule | None = None
    recognition: Recognition | None = None
    review: str = ""
    braked: bool = False
    experiments: tuple[Experiment, ...] = ()

    def once(self, kind: str | None) -> Once:
        """What the rule is once per, for events of this kind."""
        return self.onces.get(kind) or self.onces[None]

    def once_of(self, scope: str) -> Once:
        """What made a scope text; by its first name, since the ids in it may have any character."""
        first = scope.partition("=")[0].partition("|")[0]
        return next((one for one in self.onces.values() if one.names[0] == first), None) or once(self.spec, (first,))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledChallenge:
    """A challenge with its rules: ``steps`` in order, then ``enrolment``."""

    spec: Challenge
    counting: Counting
    steps: tuple[CompiledRule, ...]
    enrolment: CompiledRule

    @property
    def rules(self) -> tuple[CompiledRule, ...]:
        """All of them, in the order in which they decide."""
        return (*self.steps, self.enrolment)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledDeny:
    """Behaviour that never earns. ``condition`` None is always met; ``said`` is what it says, in words."""

    on: tuple[str, ...]
    reason: str
    condition: Judge | None
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A scheduled reward: ``rule`` pays it, a payee for each place; ``acts`` judges which acts count.

    ``kinds`` are the acts it looks at, empty where it looks at what was earned or at any act.
    """

    spec: Scheduled
    timetable: Timetable
    rule: CompiledRule
    acts: CompiledRule
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one rule asks of the sources.

    ``kinds`` its events have; ``names`` and ``suffixes`` of their LMS events; ``facts`` that it, the denials it meets
    and the question who is staff look at (names of the fact table); ``patterns`` its kinds as it writes them;
    ``placed`` those of ``names`` that it needs in some courses alone, and which (see `Demand.placed`).
    """

    kinds: frozenset[str]
    names: frozenset[str]
    suffixes: frozenset[str]
    facts: frozenset[str]
    patterns: frozenset[str] = frozenset()
    placed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def also(self, other: Needs | None) -> Needs:
        """Both together."""
        if other is None:
            return self
        return Needs(
            kinds=self.kinds | other.kinds,
            names=self.names | other.names,
            suffixes=self.suffixes | other.suffixes,
            facts=self.facts | other.facts,
            placed=placed((self, other)),
        )


def placed(needs: Iterable[Needs]) -> Mapping[str, frozenset[str]]:
    """The names that nobody needs but in some courses, with all of these courses."""
    found: dict[str, frozenset[str]] = {}
    everywhere: set[str] = set()
    for one in needs:
        everywhere |= one.names - one.placed.keys()
        for name, courses in one.placed.items():
            found[name] = found.get(name, frozenset()) | courses
    return {name: courses for name, courses in found.items() if name not in everywhere}


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What an event meets: rules in file order, denials, the rules whose awards it undoes or may, and checks."""

    rules: tuple[CompiledRule, ...]
    denies: tuple[CompiledDeny, ...]
    undoes: tuple[CompiledRule, ...] = ()
    doubts: tuple[CompiledRule, ...] = ()
    checks: tuple[CompiledCheck, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All rules of one version. ``meters`` are the names of every quota; ``levels`` are shown, never judged.

    ``needs`` is by rule id, without rules that are off; ``demand`` is all of it together.
    ``shared`` gives the caps and budgets of a rule group (None: of rules without one). The rules of ``challenges`` are
    the last of ``rules``. ``recognition`` is what follows from awards; None where nothing does.
    ``derivations`` are what acts can bring about that a rule stands on, ``listened`` the challenges (by id) that tell
    their completion to rules.
    ``lifted`` are the names of ``experiments`` that hold nobody out, for who decides of the past anew or tells a story.
    ``remind_after`` is how long (seconds) a decision may be held before somebody is reminded; 0 for never.
    ``badges`` are those that are declared, by id, and those that rules only name; ``words`` makes criteria of names.
    """

    version: str
    rules: tuple[CompiledRule, ...]
    denies: tuple[CompiledDeny, ...]
    calendar: Calendar
    staff_earn: bool
    demand: Demand
    needs: Mapping[str, Needs]
    levels: tuple[Level, ...]
    badges: Mapping[str, Badge]
    tiers: tuple[Tier, ...]
    recognition: Recognition | None
    words: Words
    decimals: Mapping[str, int]
    shared: Callable[[str | None], tuple[Quota, ...]]
    meters: frozenset[str]
    challenges: tuple[CompiledChallenge, ...] = ()
    scheduled: tuple[Timed, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    lifted: frozenset[str] = frozenset()
    checks: tuple[CompiledCheck, ...] = ()
    derivations: tuple[Derivation, ...] = ()
    listened: Mapping[str, CompiledChallenge] = field(default_factory=dict)
    currencies: Mapping[str, Currency] = field(default_factory=dict)
    remind_after: int = 0
    values: Values = field(default_factory=dict)
    _matches: dict[tuple[str | None, str], Matched] = field(default_factory=dict)

    def matching(self, seen: Observation) -> Matched:
        """The rules and denials whose `on` fits, remembered by kind and LMS name."""
        key = (seen.kind, seen.lms_event)
        found = self._matches.get(key)
        if found is None:
            if len(self._matches) >= _MATCHES_MAX:
                self._matches.clear()
            found = self._matches[key] = Matched(
                rules=tuple(
                    rule for rule in self.rules if _fits(rule.spec.on, seen) and not _fits(rule.spec.reverse_on, seen)
                ),
                denies=tuple(deny for deny in self.denies if _fits(deny.on, seen)),
                undoes=tuple(rule for rule in self.rules if _fits(rule.spec.reverse_on, seen)),
                doubts=tuple(rule for rule in self.rules if rule.doubt is not None and _doubts(rule, seen)),
                checks=tuple(check for check in self.checks if _fits(check.on, seen)),
            )
        return found

    def by_id(self) -> dict[str, CompiledRule]:
        """Rules by id; of a challenge, whose rules share its id, the first step."""
        found: dict[str, CompiledRule] = {}
        for rule in self.rules:
            found.setdefault(rule.id, rule)
        return found

    def rule(self, rule_id: str) -> CompiledRule | None:
        """A rule by its id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def for_everybody(self) -> Rulebook:
        """The same rules where no experiment holds anybody out: for examples and stories, and for what was let in."""
        return replace(self, lifted=frozenset(one.name for one in self.experiments)) if self.experiments else self

    def paying(self, rule_id: str) -> CompiledRule | None:
        """As `rule`, and what pays a scheduled reward of that id."""
        found = self.rule(rule_id)
        return found or next((timed.rule for timed in self.scheduled if timed.rule.id == rule_id), None)


def _fits(patterns: Iterable[str], seen: Observation) -> bool:
    return any(
        seen.lms_event == pattern if "\\" in pattern else seen.kind is not None and fnmatchcase(seen.kind, pattern)
        for pattern in patterns
    )


def _doubts(rule: CompiledRule, seen: Observation) -> bool:
    told = seen.kind in rule.told_again or _fits(rule.spec.on, seen)
    return told and not _fits(rule.spec.reverse_on, seen)


def once(rule: Rule, names: tuple[str, ...]) -> Once:
    """Once_per and frequency as a quota over a scope of these names."""
    per = "+".join(names)
    quota = Quota(
        meter=f"once:{rule.id}",
        span=Span.scope,
        maximum=rule.frequency,
        label=f"once_per {per}" if rule.frequency == 1 else f"frequency {rule.frequency} per {per}",
        windows=tuple(name for name in names if name not in _FIXED),
    )
    return Once(names=names, quota=quota)


_FIXED = frozenset({"ever", "badge", "programme", "subject", "event", "run", "anniversary", *_OBJECTS})
"""Scopes that no calendar ends."""


def scope_of(names: tuple[str, ...], event: Event, moment: Moment, role: Role) -> tuple[str, str]:
    """The scope as text, and the reason where the event lacks a part of it (`no lesson`); one of them is empty.

    No part names the learner: uses are kept per learner anyway.
    """
    parts = []
    for name in names:
        value = _part(name, event, moment, role)
        if value is None:
            return "", f"no {name}"
        parts.append(f"{name}={value}" if value else name)
    return "|".join(parts), ""


def _part(name: str, event: Event, moment: Moment, role: Role) -> str | None:
    seen = event.seen
    if name in _OBJECTS:
        number: str | None = getattr(seen, name)
        return f"{seen.site}:{number}" if number else None
    match name:
        case "event":
            return event.event_id.hex()
        case "badge" | "programme":
            named = seen.facts.get(name) if name == "programme" else _badge(seen)
            return f"{seen.site}:{named}" if named else None
        case "subject":
            subject = seen.people.get("subject")
            if subject is None or role == "subject":
                return None if subject is None else ""
            return seen.learner(subject)
    bucket = moment.windows.get(name)
    return None if bucket is None else bucket if name in _WINDOWS else ""


def _badge(seen: Observation) -> str | None:
    return seen.object_id if seen.object_table == "badge" else None


def message(template: str, seen: Observation) -> str:
    """A template with the facts this event has; what it does not know (`{learner.first_name}`) stays as it is."""
    if "{" not in template:
        return template
    pieces = template.split("{")
    out = [pieces[0]]
    for piece in pieces[1:]:
        name, brace, rest = piece.partition("}")
        value = fact_of(seen, name) if brace else None
        out.append(f"{{{piece}" if value is None else f"{shown(value)}{rest}")
    return "".join(out)


def placeholders(template: str) -> frozenset[str]:
    """The names in braces."""
    return frozenset(piece.partition("}")[0] for piece in template.split("{")[1:] if "}" in piece)
