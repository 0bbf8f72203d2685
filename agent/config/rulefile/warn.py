"""What is allowed and probably not meant: limits that never act, conditions nothing can meet, facts nobody supplies."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache

from agent.config.comparison import Comparison, ValueRef
from agent.config.document import Fault, KeyPath
from agent.config.factentry import GENERIC, PERSON
from agent.config.facts import FactEntry, FactTable
from agent.config.grammar import UNIT_SECONDS, Limit, Number, Window, is_length, is_number, shown_number
from agent.config.kinds import BRING_FACTS_OF_THEIR_OWN, DEFAULT_ONCE_PER, KindTable
from agent.config.rulefile.award import Computed
from agent.config.rulefile.check import nearest
from agent.config.rulefile.earning import LONGEST
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.messages import LEARNER_WORDS
from agent.config.rulefile.models import Deny, Rule
from agent.config.rulefile.tables.challenge import Step
from agent.config.rulefile.tables.condition import Conditions
from agent.config.rulefile.tables.person import Person
from agent.model import FROM_PROFILE
from machine.words import either

PERCENT_MAX = 100

OWN_FACTS = ("kind", "lms_event", "source", "site", "course", "section", "lesson", "post", "object_id", "object_table")
"""What every observation says of itself; conditions may look at it like at any fact."""


_HOUR_S, _DAY_S = UNIT_SECONDS["h"], UNIT_SECONDS["d"]
_BETWEEN = re.compile(r"\D*(\d+)\D+(\d+)\D*")
_IN_BRACES = re.compile(r"\{([^{}]*)\}")


def once_per_of(rule: Rule, kinds: Iterable[str]) -> tuple[str, ...]:
    """The scope of a rule, or the default of the kinds it stands on (`event` where those differ)."""
    if rule.once_per is not None:
        return rule.once_per
    if rule.streak is not None and not rule.streak.repeat:
        return (rule.streak.in_ or "ever",)
    defaults = {default_once_per(kind) for kind in kinds}
    return (defaults.pop(),) if len(defaults) == 1 else ("event",)


@cache
def default_once_per(kind: str) -> str:
    """The scope of a kind where a rule names none."""
    for pattern, scope in DEFAULT_ONCE_PER.items():
        if fnmatchcase(kind, pattern):
            return scope
    return "event"


def warnings(merged: Merged, kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """Everything that is worth a second look."""
    asking = [(deny, frozenset(kinds_of(deny.it.on, kinds))) for deny in merged.denies if _plain(deny.it.conditions)]
    for rule in merged.rules:
        yield from _limits(rule, kinds)
        yield from _budgets(rule)
        yield from facts_of(rule, kinds, facts)
        yield from _amounts(rule, kinds, facts)
        yield from _waiting(rule, asking, kinds, facts)
        yield from _told(rule, kinds, facts)
    for deny in merged.denies:
        yield from facts_of(deny, kinds, facts)
    yield from _persons(merged)


def _plain(conditions: Conditions) -> bool:
    """Whether there are conditions, and all of them must hold."""
    return bool(conditions.facts()) and not conditions.any and not conditions.none


def _waiting(
    rule: Placed[Rule], asking: Iterable[tuple[Placed[Deny], Collection[str]]], kinds: KindTable, facts: FactTable
) -> Iterator[Fault]:
    """Kinds of which a `[[deny]]` asks only what nothing ever tells: all of the rule would be held for ever."""
    mine = kinds_of(rule.it.on, kinds)
    for deny, about in asking:
        asked = deny.it.conditions.facts()
        for kind in (one for one in mine if one in about):
            if all(_never_told(fact, test, kind, kinds, facts) for fact, test in asked.items()):
                what = " and ".join(asked)
                hint = f"name in [[deny]] in {deny.where} the kinds that it is about, or give it an if_unknown"
                yield rule.fault(f"nothing tells {what} of {kind}: each is held for ever", hint, at=("on",))


def _never_told(fact: str, test: Comparison, kind: str, kinds: KindTable, facts: FactTable) -> bool:
    entry = facts.get(fact)
    told = entry is None or fact in OWN_FACTS or facts.suppliers(fact, kind) or free((kind,), kinds, facts)
    return not told and test.if_unknown not in {"pass", "fail"}


def _persons(merged: Merged) -> Iterator[Fault]:
    """Roles and facts that only a profile field could tell, where `[person]` names none for them."""
    said = [value.profile for key, value, _ in merged.settings() if key == "person" and isinstance(value, Person)]
    known = frozenset(name for one in said for name in one)
    for rule in merged.rules:
        yield from _nobody_named(rule, known)
        for fact, comparison, at in leaves(rule.it.conditions, ("conditions",)):
            for name in sorted({fact, *comparison.refs()} - known):
                if name.startswith(PERSON):
                    short = name.removeprefix(PERSON)
                    hint = nearest(name, known) or f'write [person] with facts = {{ {short} = "the profile field" }}'
                    yield rule.fault(f"[person] facts has no {short!r}", hint, at=at)


def _nobody_named(rule: Placed[Rule], known: Collection[str]) -> Iterator[Fault]:
    """A rule that pays who referred or supervises somebody, where no profile field says who that is."""
    paid: list[tuple[str, KeyPath]] = [(part.to or rule.it.recipient, ("award", *part.at)) for part in rule.it.award]
    paid += [(rule.it.recipient, ("badge",))] if rule.it.badge else []
    for role in FROM_PROFILE:
        hint = f'write [person] with {role} = {{ profile_field = "…" }}; posts that name a {role} pay all the same'
        for at in [at for paid_role, at in paid if paid_role == role and role not in known][:1]:
            yield rule.fault(f"the log names no {role}", hint, at=at)


def kinds_of(patterns: Iterable[str], kinds: KindTable) -> tuple[str, ...]:
    """The kinds that `on` patterns stand for; LMS names stand for the kinds their rows have."""
    found: list[str] = []
    known = kinds.kinds()
    for pattern in patterns:
        if "\\" in pattern:
            found.extend(entry.kind for entry in kinds.entries if entry.names(pattern))
        elif "*" in pattern:
            found.extend(sorted(kind for kind in known if fnmatchcase(kind, pattern)))
        elif pattern in known:
            found.append(pattern)
    return tuple(dict.fromkeys(found))


def _limits(rule: Placed[Rule], kinds: KindTable) -> Iterator[Fault]:
    once = once_per_of(rule.it, kinds_of(rule.it.on, kinds))
    frequency = rule.it.frequency
    undone = bool(rule.it.reverse_on) or rule.it.reverse_when is not None  # what was taken back may be earned anew
    if once == ("ever",) and frequency == 1 and rule.it.cooldown is not None and not undone:
        yield rule.fault("this cooldown can never act", 'once_per = "ever" pays once anyway', at=("cooldown",))
    for number, limit in enumerate(rule.it.limit):
        at = ("limit", number)
        if varies(rule.it, limit.unit):
            continue
        given = paid(rule.it, limit)
        if not given:
            whom = f" to the {limit.for_role}" if limit.for_role is not None else ""
            yield rule.fault(f"{limit.text} can never act", f"the rule awards no {limit.unit}{whom}", at=at)
        elif limit.over == "refuse" and limit.unit and min(given) > limit.maximum:
            yield rule.fault(f"{limit.text} refuses every award", f"one award is {limit.unit} {min(given)}", at=at)
        elif (scopes := _scopes(once, limit.window)) and max(given) * frequency * scopes <= limit.maximum:
            yield rule.fault(f"{limit.text} can never act", f'once_per = "{once[0]}" allows no more anyway', at=at)


def _scopes(once: tuple[str, ...], window: Window) -> int:
    """How many times that each pay once a window reaches into, at most; 0 where nobody can say."""
    if once in {("ever",), (window.name,)}:
        return 1
    if len(once) != 1:
        return 0
    if window.kind == "rolling":
        return 1 - -(window.seconds + _HOUR_S) // _DAY_S if once == ("day",) else 0  # the clocks may go on once in it
    return LONGEST.get((once[0], window.name), 0)


def _budgets(rule: Placed[Rule]) -> Iterator[Fault]:
    """Budgets of what the rule does not award, and those that one award is above."""
    for number, budget in enumerate(rule.it.budget):
        if varies(rule.it, budget.unit):
            continue
        given, at = paid(rule.it, budget), ("budget", number)
        if not given:
            yield rule.fault(f"{budget.text} can never act", f"the rule awards no {budget.unit}", at=at)
        elif budget.unit and min(given) > budget.maximum:
            yield rule.fault(f"{budget.text} holds every award", f"one award is {budget.unit} {min(given)}", at=at)


def paid(rule: Rule, limit: Limit) -> list[Number]:
    """What single awards use of a limit: one each, or what each recipient that it is for gets of its currency."""
    if not limit.unit:
        return [1]
    parts = [part for part in rule.award if limit.for_role in {None, part.to or rule.recipient}]
    amounts = (amount for part in parts for name, amount in part.amounts if name == limit.unit)
    return [amount for amount in amounts if not isinstance(amount, Computed) and amount]


def varies(rule: Rule, unit: str) -> bool:
    """Whether how much one award pays of a currency depends on the event, or on who approves it."""
    if unit and rule.review is not None and rule.review.guardrails(unit) is not None:
        return True
    return any(name == unit and isinstance(amount, Computed) for part in rule.award for name, amount in part.amounts)


def facts_of(placed: Placed[Rule] | Placed[Deny] | Placed[Step], kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """Conditions on facts that nobody supplies, or that no value meets."""
    yield from untold(placed, placed.it.conditions, kinds_of(placed.it.on, kinds), kinds, facts)


def untold(
    placed: Placed[object], conditions: Conditions, stood_on: tuple[str, ...], kinds: KindTable, facts: FactTable
) -> Iterator[Fault]:
    """As `facts_of`, of conditions on acts of the kinds ``stood_on``."""
    for fact, comparison, at in leaves(conditions, ("conditions",)):
        entry = facts.get(fact)
        if fact in OWN_FACTS or (entry is None and free(stood_on, kinds, facts)):
            continue
        if entry is None or not entry.condition:
            known = {each.name for kind in stood_on for each in facts.for_kind(kind)}
            yield placed.fault(f"no source supplies a fact {fact!r}", nearest(fact, known), at=at)
            continue
        told = not stood_on or free(stood_on, kinds, facts) or any(facts.suppliers(fact, kind) for kind in stood_on)
        minded = comparison.if_unknown in {"pass", "fail"} and facts.elsewhere(fact, stood_on)
        if not told and not minded:
            yield placed.fault(*unsupplied(fact, stood_on, facts), at=at)
        reason = _impossible(comparison, entry)
        if reason:
            yield placed.fault(f"{fact} {comparison.text} can never be met", reason, at=at)


def unsupplied(fact: str, stood_on: Iterable[str], facts: FactTable) -> tuple[str, str]:
    """What is told of a fact that no source supplies for these kinds, and which kind of source would."""
    kinds = tuple(stood_on)
    able = facts.elsewhere(fact, kinds)
    about = f"{fact} for {either(kinds[:3])}"
    if not able:
        return f"no source supplies {about}", ""
    return (
        f"no configured source supplies {about}",
        f"a [[source]] of kind {either(able)} would; what lacks it is held",
    )


def _told(rule: Placed[Rule], kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """Words in braces of a message that nothing fills in."""
    if "{" in (rest := _IN_BRACES.sub("", rule.it.message)) or "}" in rest:
        yield rule.fault("a brace of this message stands alone", "a fact stands in two: {score_pct}", at=("message",))
    words = dict.fromkeys(_IN_BRACES.findall(rule.it.message))
    if not words:
        return
    stood_on = kinds_of(rule.it.on, kinds)
    told = {each.name for kind in stood_on for each in facts.for_kind(kind) if facts.suppliers(each.name, kind)}
    known = {*LEARNER_WORDS, *OWN_FACTS, *told}
    for name in words:
        own = name.startswith(PERSON) or ((free(stood_on, kinds, facts) or not stood_on) and "learner." not in name)
        if name not in known and not own:
            hint = nearest(name, known) or "the facts: rewards-agent rules facts"
            yield rule.fault(f"nothing fills in {{{name}}}", hint, at=("message",))


def _amounts(rule: Placed[Rule], kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """Facts that amounts and crossings are worked out from, and that nobody supplies or that are no numbers."""
    if rule.it.crosses is not None:
        fact, threshold = rule.it.crosses
        yield from _counted(rule, fact, kinds, facts, ("crosses",))
        entry = facts.get(fact)
        if entry is not None and entry.unit == "%" and threshold > PERCENT_MAX:
            told = f"{fact} never comes to {shown_number(threshold)}"
            yield rule.fault(told, "the fact is a percentage, 0 to 100", at=("crosses", fact))
    for part in rule.it.award:
        for currency, amount in part.amounts:
            for fact, _ in amount.terms if isinstance(amount, Computed) else ():
                yield from _counted(rule, fact, kinds, facts, ("award", *part.at, currency))


def _counted(rule: Placed[Rule], fact: str, kinds: KindTable, facts: FactTable, at: KeyPath) -> Iterator[Fault]:
    entry = facts.get(fact)
    stood_on = kinds_of(rule.it.on, kinds)
    if free(stood_on, kinds, facts) and (entry is None or not any(facts.suppliers(fact, kind) for kind in stood_on)):
        return
    supplied = any(facts.suppliers(fact, kind) for kind in stood_on)
    if entry is not None and stood_on and not supplied and facts.elsewhere(fact, stood_on):
        yield rule.fault(*unsupplied(fact, stood_on, facts), at=at)
    elif entry is None or (stood_on and not supplied):
        known = {each.name for kind in stood_on for each in facts.for_kind(kind)}
        yield rule.fault(f"no source supplies a fact {fact!r} here", nearest(fact, known), at=at)
    elif entry.type not in {"int", "rational"}:
        yield rule.fault(f"{fact} is no number", _is(entry), at=at)


def free(stood_on: Collection[str], kinds: KindTable, facts: FactTable) -> bool:
    """Whether events of these kinds may carry any fact: kinds of one's own do, where a source posts what it likes."""
    posted = facts.sources is None or GENERIC in facts.sources
    own = kinds.of_ones_own() if posted else frozenset[str]()
    return bool(stood_on) and (BRING_FACTS_OF_THEIR_OWN | own).issuperset(stood_on)


def leaves(conditions: Conditions, at: KeyPath) -> Iterator[tuple[str, Comparison, KeyPath]]:
    """Every fact that is asked for, inside `any` and `none` too, with what it is compared with and its place."""
    for fact, comparison in conditions.facts().items():
        yield fact, comparison, (*at, fact)
    for key in ("any", "none"):
        for number, inner in enumerate(getattr(conditions, key)):
            yield from leaves(inner, (*at, key, number))


def _impossible(comparison: Comparison, entry: FactEntry) -> str:
    """Why no value of this fact's type and unit can fit, or nothing."""
    if comparison.op == "one of":
        reasons = [_impossible(member, entry) for member in comparison.members]
        return reasons[0] if all(reasons) else ""
    operand = comparison.operand
    if isinstance(operand, ValueRef) or comparison.op == "!=":
        return ""
    wanted = "bool" if isinstance(operand, bool) else "text" if isinstance(operand, str) else "number"
    if isinstance(operand, str) and (is_number(operand) or (entry.unit == "s" and is_length(operand))):
        wanted = "number or text"
    is_type = {"int": "number", "rational": "number", "bool": "bool"}.get(entry.type, "text")
    if is_type not in wanted and not (is_type == "text" and wanted == "number" and comparison.op == "="):
        between = _BETWEEN.fullmatch(operand) if isinstance(operand, str) else None
        return f'{_is(entry)}, and both ends are written "{between[1]}..{between[2]}"' if between else _is(entry)
    return _beyond_percent(comparison) if entry.unit == "%" else ""


def _is(entry: FactEntry) -> str:
    """What values of a fact are, for people."""
    if entry.type in {"int", "rational"}:
        return "the fact is a duration, such as 7d or 12h" if entry.unit == "s" else "the fact is a number"
    return "the fact is true or false" if entry.type == "bool" else "the fact is a text"


def _beyond_percent(comparison: Comparison) -> str:
    low = comparison.operand
    if isinstance(low, (str, ValueRef)):
        return ""
    over = {">=": low > PERCENT_MAX, ">": low >= PERCENT_MAX, "=": low > PERCENT_MAX, "..": low > PERCENT_MAX}
    under = {"<=": low < 0, "<": low <= 0, "=": low < 0, "..": comparison.high < 0}
    return "the fact is a percentage, 0 to 100" if over.get(comparison.op) or under.get(comparison.op) else ""
