"""Keys that change nothing beside the others of their rule, and rules that ask what nobody gives."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase

from agent.config.document import Fault, KeyPath
from agent.config.facts import FactTable
from agent.config.grammar import WEEKDAYS, Number
from agent.config.kinds import KindTable
from agent.config.rulefile.across.challenges import steps
from agent.config.rulefile.across.completions import outright
from agent.config.rulefile.check import nearest
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.models import Rule
from agent.config.rulefile.tables.challenge import Challenge, Step
from agent.config.rulefile.tables.condition import Active, Audience, Conditions
from agent.config.rulefile.tables.currency import Level
from agent.config.rulefile.tables.scheduled import Scheduled
from agent.config.rulefile.warn import kinds_of

_PROGRAMME = "programme.completed"
_BRINGS_PROGRAMMES = "learnworlds"
_OF_PEOPLE = ("user.logged_in", "user.updated", "programme.*")
_OF_COURSES = ("lesson.*", "quiz.*", "assignment.*", "grade.*", "survey.*", "course.*")
_Paying = Placed[Rule] | Placed[Challenge] | Placed[Scheduled]
_SAYING = frozenset({"limit", "budget", "audience", "active", "conditions", "reverse_on", "tags"})
_LACKS: Mapping[str, tuple[str, ...]] = {
    "lesson": (*_OF_PEOPLE, "course.*"),
    "section": (*_OF_PEOPLE, "course.*"),
    "course": _OF_PEOPLE,
    "post": (*_OF_PEOPLE, *_OF_COURSES, "badge.*"),
    "badge": (*_OF_PEOPLE, *_OF_COURSES, "forum.*"),
    "programme": ("user.logged_in", "user.updated", *_OF_COURSES, "forum.*", "badge.*"),
}
"""By scope the kinds of which no event has it."""


def warnings(merged: Merged, kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """What can never act in a rule, and what no learner can ever have that a rule asks for."""
    given = frozenset(_given(merged))
    looked_at = frozenset(_looked_at(merged))
    levels = {level.it.name: level.it.currency for level in merged.levels}
    yield from _same_total(merged)
    yield from _valueless(merged)
    paying: list[_Paying] = [*merged.rules, *merged.challenges, *merged.scheduled]
    for placed in paying:
        yield from _says_nothing(placed) if placed.it.mode != "off" else ()
    for rule in merged.rules:
        if rule.it.mode == "off":
            continue
        yield from _scopeless(rule, kinds)
        yield from _for_nobody(rule)
        yield from _never_active(rule)
        for wish in rule.it.requires.leaves() if rule.it.requires is not None else ():
            currency = levels.get(wish.name) if wish.asked == "level" else None
            if currency is not None and currency not in given:
                told = f"it is reached with {currency}, and nothing here awards {currency}"
                yield rule.fault(f"nobody reaches level {wish.name!r}", told, at=("requires", *wish.at))
        yield from _pays_nothing(rule, looked_at)
    asking: list[Placed[Rule] | Placed[Step]] = [rule for rule in merged.rules if rule.it.mode != "off"]
    for challenge in merged.challenges:
        asking.extend(steps(challenge) if challenge.it.mode != "off" else ())
    brought = facts.sources is not None and _BRINGS_PROGRAMMES in facts.sources
    for one in asking:
        yield from _empty(one, one.it.conditions, ("conditions",))
        if not brought and _PROGRAMME in one.it.on:
            yield from _programmes(one, merged.names("programme"))


def _same_total(merged: Merged) -> Iterator[Fault]:
    """Levels that the same total reaches: only one of them is ever shown."""
    first: dict[tuple[str, Number], Placed[Level]] = {}
    for level in merged.levels:
        other = first.setdefault((level.it.currency, level.it.from_), level)
        if other is not level:
            told = f"level {level.it.name!r} begins where {other.it.name!r} does, which stands in {other.where}"
            yield level.fault(told, "give each a `from` of its own", at=("from",))


def _valueless(merged: Merged) -> Iterator[Fault]:
    """Values that are unknown in every course, and a `default` that is written as a course is."""
    for name, placed in merged.values.items():
        if not placed.it:
            yield placed.fault(f"[value.{name}] is empty: @{name} is unknown everywhere", 'write default = "14d"')
        for course in placed.it:
            if course != "default" and course.lower() == "default":
                told = f"{course!r} is read as the short name of a course"
                yield placed.fault(told, "did you mean `default`?", at=(course,))


def _says_nothing(placed: _Paying) -> Iterator[Fault]:
    """Keys that are written and left empty."""
    for key in sorted(placed.it.model_fields_set & _SAYING):
        value = getattr(placed.it, key)
        if value == () or (isinstance(value, (Audience, Active, Conditions)) and not value.model_fields_set):
            yield placed.fault(f"`{key}` is empty: it says nothing", "leave it out, or write what is meant", at=(key,))


def _given(merged: Merged) -> Iterator[str]:
    """The currencies that anything awards."""
    earning: tuple[Rule | Challenge, ...] = (*(one.it for one in merged.rules), *(one.it for one in merged.challenges))
    for one in earning:
        if one.mode != "off":
            yield from (name for part in one.award for name, _ in part.amounts)
    for scheduled in merged.scheduled:
        if scheduled.it.mode != "off":
            yield from (name for name, _ in scheduled.it.award)
            yield from (name for prize in scheduled.it.places for name, _ in prize.amounts)


def _looked_at(merged: Merged) -> Iterator[tuple[str, str]]:
    """What badges, tiers and rules ask for: that it is a rule, group or tag, and its name."""
    asked = [wanted for badge in merged.badges if (wanted := badge.it.wanted()) is not None]
    asked += [tier.it.requires for tier in merged.tiers if tier.it.requires is not None]
    asked += [rule.it.requires for rule in merged.rules if rule.it.requires is not None]
    for wish in asked:
        yield from (("rule" if leaf.asked == "named" else leaf.asked, leaf.name) for leaf in wish.leaves())


def _pays_nothing(rule: Placed[Rule], looked_at: Collection[tuple[str, str]]) -> Iterator[Fault]:
    """Awards of nothing, where no badge or other rule asks who had them either."""
    it = rule.it
    amounts = [amount for part in it.award for _, amount in part.amounts]
    seen = {("rule", it.id), ("group", it.group or ""), *(("tag", tag) for tag in it.tags)}
    if it.badge is None and not any(amounts) and seen.isdisjoint(looked_at):
        hint = "no badge, tier or `requires` asks for it either"
        yield rule.fault(f"rule {it.id} pays nothing", hint, at=("award",))


def _programmes(one: Placed[Rule] | Placed[Step], known: Collection[str]) -> Iterator[Fault]:
    """Listening to the completion of programmes that are not there."""
    if not known:
        hint = "write [programme.NAME] with its courses; only LearnWorlds tells of programmes of its own"
        yield one.fault("no programme is ever completed here", hint, at=("on",))
        return
    for name in sorted(outright(one.it.conditions.facts().get("programme")) - frozenset(known)):
        yield one.fault(f"there is no [programme.{name}]", nearest(name, known), at=("conditions", "programme"))


def _scopeless(rule: Placed[Rule], kinds: KindTable) -> Iterator[Fault]:
    """A once_per that no event of the rule ever has: each would be refused."""
    stood_on = kinds_of(rule.it.on, kinds)
    if not stood_on or any("\\" in pattern for pattern in rule.it.on):
        return
    for number, scope in enumerate(rule.it.once_per or ()):
        lacking = _LACKS.get(scope, ())
        if all(any(fnmatchcase(kind, pattern) for pattern in lacking) for kind in stood_on):
            has = "has" if len(stood_on) == 1 else "have"
            told = f"{' and '.join(stood_on[:3])} {has} no {scope}: each is refused"
            yield rule.fault(f"rule {rule.it.id} can never pay", told, at=("once_per", number))


def _for_nobody(rule: Placed[Rule]) -> Iterator[Fault]:
    """A limit of awards to a recipient that the rule does not pay; `warn` tells those of a currency."""
    paid = {part.to or rule.it.recipient for part in rule.it.award} | ({rule.it.recipient} if rule.it.badge else set())
    for number, limit in enumerate(rule.it.limit):
        if limit.for_role is not None and limit.for_role not in paid and not limit.unit:
            hint = f"the rule pays no {limit.for_role}"
            yield rule.fault(f"{limit.text} can never act", hint, at=("limit", number))


def _never_active(rule: Placed[Rule]) -> Iterator[Fault]:
    """Weekdays of which none lies between the first and the last day."""
    active = rule.it.active
    if active is None or active.days is None or active.from_ is None or active.until is None:
        return
    span = min((active.until - active.from_).days + 1, 7)
    there = {(active.from_ + timedelta(days=number)).weekday() for number in range(span)}
    if there.isdisjoint(active.days):
        shown = " or ".join(WEEKDAYS[day] for day in active.days)
        told = f"there is no {shown} from {active.from_} until {active.until}"
        yield rule.fault(f"rule {rule.it.id} can never pay", told, at=("active", "days"))


def _empty(one: Placed[Rule] | Placed[Step], conditions: Conditions, at: KeyPath) -> Iterator[Fault]:
    """`any` and `none` that are written and hold nothing."""
    for key in ("any", "none"):
        inner: tuple[Conditions, ...] = getattr(conditions, key)
        if not inner and key in conditions.model_fields_set:
            yield one.fault(f"`{key}` is empty: it asks for nothing", "leave it out", at=(*at, key))
        for number, each in enumerate(inner):
            yield from _empty(one, each, (*at, key, number))
