"""What is wrong, or probably not meant, where rules and steps listen to `challenge.completed`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from agent.config.comparison import Comparison
from agent.config.document import Fault
from agent.config.rulefile.across.challenges import steps
from agent.config.rulefile.check import nearest
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.models import Rule
from agent.config.rulefile.tables.challenge import Challenge, Step

COMPLETED = "challenge.completed"
_FACT = "challenge"


def faults(merged: Merged) -> Iterator[Fault]:
    """Challenges that are not there, and those that would complete themselves."""
    by_id = {placed.it.id: placed for placed in merged.challenges}
    for listening in _listening(merged):
        named = listening.it.conditions.facts().get(_FACT)
        for name in sorted(outright(named) - by_id.keys()):
            yield listening.fault(f"unknown challenge {name!r}", nearest(name, by_id), at=("conditions", _FACT))
    told_before: set[frozenset[str]] = set()
    for challenge in merged.challenges:
        for step in steps(challenge):
            for begin in sorted(_feeding(step.it, by_id)):
                way = _way(challenge.it.id, begin, by_id)
                if way and frozenset(way) not in told_before:
                    told_before.add(frozenset(way))
                    told = " → ".join(f"{one} ({by_id[one].where})" for one in way)
                    yield _circle(step, f"{told} → {way[0]}", [name for name in by_id if name not in way])


def _circle(step: Placed[Step], told: str, others: Sequence[str]) -> Fault:
    """A step that waits for its own challenge; where it listens to every completion, how those of others are named."""
    hint = told
    if _FACT not in step.it.conditions.facts() and others:
        meant = ", ".join(f'"{name}"' for name in others)
        hint = f"{told}; name those that count: conditions = {{ challenge = [{meant}] }}"
    return step.fault("the challenges go in a circle", hint, at=("on",))


def warnings(merged: Merged) -> Iterator[Fault]:
    """Listening where nobody speaks, or to what is believed less than is asked."""
    for listening in _listening(merged):
        heard = [placed.it for placed in merged.challenges if _fits(listening.it, placed.it.id)]
        if not any(one.mode == "live" for one in heard):
            yield listening.fault("no [[challenge]] that pays is ever completed here", "", at=("on",))
        elif isinstance(listening.it, Rule) and all(one.min_trust < listening.it.min_trust for one in heard):
            yield listening.fault(
                "all of it would be held: a completed challenge is believed as far as the challenge asks of its acts",
                f'min_trust = "{listening.it.min_trust.name}" in the challenge too',
                at=("min_trust",),
            )


def _listening(merged: Merged) -> Iterator[Placed[Rule] | Placed[Step]]:
    for rule in merged.rules:
        if COMPLETED in rule.it.on and rule.it.mode != "off":
            yield rule
    for challenge in merged.challenges:
        for step in steps(challenge):
            if COMPLETED in step.it.on:
                yield step


def outright(said: Comparison | None) -> frozenset[str]:
    """The ids that a condition names outright."""
    if said is None:
        return frozenset()
    if said.op == "one of":
        return frozenset().union(*(outright(member) for member in said.members))
    plain = isinstance(said.operand, str) and "*" not in said.operand and said.op in {"=", "!="}
    return frozenset({str(said.operand)}) if plain else frozenset()


def _fits(listening: Rule | Step, challenge: str) -> bool:
    """Whether the completion of a challenge may be what is listened to."""
    if not any("\\" not in pattern and fnmatchcase(COMPLETED, pattern) for pattern in listening.on):
        return False
    return _may(listening.conditions.facts().get(_FACT), challenge)


def _may(said: Comparison | None, challenge: str) -> bool:
    if said is None:
        return True
    if said.op == "one of":
        return any(_may(member, challenge) for member in said.members)
    if said.op in {"=", "!="}:
        return fnmatchcase(challenge, str(said.operand)) == (said.op == "=")
    return True


def _feeding(step: Step, by_id: Mapping[str, Placed[Challenge]]) -> list[str]:
    """The challenges whose completion may be an act of a step."""
    return [name for name in by_id if _fits(step, name)]


def _way(begin: str, end: str, by_id: Mapping[str, Placed[Challenge]]) -> Sequence[str]:
    """The challenges from ``begin`` to ``end``, where the one leads to the other; nothing where it does not."""
    ways: list[tuple[str, ...]] = [(begin,)]
    seen = {begin}
    while ways:
        way = ways.pop(0)
        if way[-1] == end:
            return way
        after = [name for name, placed in by_id.items() if any(_fits(step, way[-1]) for step in placed.it.step)]
        following = by_id[way[-1]].it.next
        for name in (*after, *((following,) if following in by_id and following is not None else ())):
            if name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return ()
