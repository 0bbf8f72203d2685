"""From `[[check]]` to what it looks for: a closure for each pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from agent.config.kinds import DEFAULT_ONCE_PER
from agent.config.rulefile.tables.check import DuplicateText, Empty, FairCheck, Identical, Rate, Reciprocal
from agent.engine.fairness import telling, texts
from agent.engine.fairness.guards import (
    PASSED,
    UNKNOWN,
    CompiledCheck,
    Finding,
    Look,
    Sight,
    around,
    fullest,
    slot_of,
)
from agent.engine.quota import Uses
from agent.model import CheckStatus, Event, Observation, Use

_THINGS = frozenset({"lesson", "section", "course", "post"})
_ROOM = 64
"""A bucket takes so many members more than could ever pass; what comes then is too much in any case."""

_Made = tuple[Look | None, str, frozenset[str]]
"""How it looks, the reason it gives, the facts it needs."""


def compiled(spec: FairCheck, number: int) -> CompiledCheck:
    """A check ready to look; ``number`` is its place in the file."""
    look, label, facts = _MAKERS[spec.pattern](spec, getattr(spec, spec.pattern))
    added_up = spec.suspicion
    return CompiledCheck(
        id=spec.id,
        number=number,
        on=spec.events,
        rules=frozenset(spec.rules) if spec.rules is not None else None,
        group=spec.group,
        then=spec.then,
        label=label,
        reason=f"{label}: {spec.reason}" if spec.reason else label,
        terms=telling.terms(spec),
        weight=spec.weight,
        holds_unknown=spec.if_unknown == "hold",
        facts=facts,
        look=look,
        most=added_up.most if added_up is not None else 0,
        window_s=added_up.within.seconds if added_up is not None else 0,
    )


def _velocity(spec: FairCheck, wanted: Rate) -> _Made:
    return _counted(spec, wanted, lambda _seen: ""), f"velocity {wanted.text}", frozenset()


def _identical(spec: FairCheck, wanted: Identical) -> _Made:
    once = Rate(most=1, within=wanted.within)
    return _counted(spec, once, _about(spec)), f"identical within {once.within.text}", _scopes(spec)


def _toggling(spec: FairCheck, wanted: Rate) -> _Made:
    return _counted(spec, wanted, _about(spec)), f"toggling {wanted.text}", _scopes(spec)


def _scopes(spec: FairCheck) -> frozenset[str]:
    return frozenset({spec.about or "post"} & {"section", "post"})


def _about(spec: FairCheck) -> Callable[[Observation], str | None]:
    """What makes two acts the same; None for an act that is about nothing."""

    def what(seen: Observation) -> str | None:
        name = spec.about or _default(seen.kind)
        if name in _THINGS:
            value = getattr(seen, name)
        else:
            value = f"{seen.object_table}={seen.object_id}" if seen.object_id else None
        return f"{seen.kind or seen.lms_event}|{name}={seen.site}:{value}" if value else None

    return what


def _default(kind: str | None) -> str:
    found = next((scope for pattern, scope in DEFAULT_ONCE_PER.items() if fnmatchcase(kind or "", pattern)), "object")
    return found if found in _THINGS else "object"


def _counted(spec: FairCheck, rate: Rate, about: Callable[[Observation], str | None]) -> Look:
    """Every act is a member; too many in any window that contains this one are too many."""
    meter, window_s = f"check:{spec.id}:{spec.pattern}:{rate.within.seconds}s", rate.within.seconds

    def look(event: Event, learner: str) -> Sight | None:
        seen = event.seen
        what, who = about(seen), _whose(spec, seen, learner)
        if what is None or not who:
            return None
        at = seen.occurred_at
        keys = around(meter, what, who, at, window_s)
        use = Use(meter=meter, bucket=keys[1][1], learner=who, at=at, amount=1, slot=slot_of(seen))

        def ask(uses: Uses) -> Finding:
            before, own, after = (uses.members(key) for key in keys)
            notes = (use,) if len(own) < 4 * rate.most + _ROOM and uses.note(use) else ()
            if len(before) + len(own) + len(after) <= rate.most:
                return Finding("passed", "", notes)
            near = [(when, 1) for held in (before, own, after) for when in held.values() if abs(when - at) < window_s]
            count = fullest(near, window_s, at)
            status: CheckStatus = "failed" if count > rate.most else "passed"
            return Finding(status, f"{count} within {rate.within.text}", notes)

        return Sight(keys, ask)

    return look


def _whose(spec: FairCheck, seen: Observation, learner: str) -> str:
    if spec.by == "recipient":
        return learner
    actor = seen.people.get("actor")
    return seen.learner(actor) if actor else ""


def _duplicate_text(spec: FairCheck, wanted: DuplicateText) -> _Made:
    meter = f"check:{spec.id}:text:{wanted.of}:{wanted.within.seconds}s"

    def look(event: Event, learner: str) -> Sight | None:
        seen = event.seen
        written = seen.facts.get("text_sketch")
        if not isinstance(written, str):
            return Sight((), lambda _uses: UNKNOWN)
        mine = texts.read(written)
        if mine is None or mine.words < wanted.min_words:
            return None
        place = {"forum": seen.lesson, "course": seen.course, "site": ""}[wanted.in_]
        found = _bands(mine, seen, wanted)
        who = learner if wanted.of == "own" else ""
        at, window_s = seen.occurred_at, wanted.within.seconds
        keys = tuple(key for band in found for key in around(meter, f"{seen.site}:{place}|{band}", who, at, window_s))
        return Sight(keys, lambda uses: _copied(uses, keys, seen, mine, wanted))

    return look, f"duplicate text within {wanted.within.text}", frozenset({"text_sketch", "text_digest"})


def _bands(mine: texts.Sketch, seen: Observation, wanted: DuplicateText) -> tuple[str, ...]:
    """What is equal where two texts are the same, or much alike."""
    same = seen.facts.get("text_digest")
    if wanted.alike == 100 and isinstance(same, str):  # noqa: PLR2004 - per cent
        return (same,)
    return tuple(f"{number}{band}" for number, band in enumerate(mine.bands))


def _copied(
    uses: Uses, keys: tuple[tuple[str, str, str], ...], seen: Observation, mine: texts.Sketch, wanted: DuplicateText
) -> Finding:
    at, slot = seen.occurred_at, slot_of(seen)
    best, where = -1, 0
    for key in keys:
        for row in uses.marks(key):
            if row.slot != slot and abs(row.at - at) < wanted.within.seconds:
                shared = texts.alike(row.amount, mine.bits)
                if shared > best:
                    best, where = shared, row.slot >> 8
    notes = []
    for meter, bucket, who in keys[1::3]:
        rows = uses.marks((meter, bucket, who))
        if len(rows) < _ROOM and all(row.slot != slot for row in rows):
            notes.append(Use(meter=meter, bucket=bucket, learner=who, at=at, amount=mine.bits, slot=slot))
            uses.mark(notes[-1])
    told = f"{best} % like row {where}" if best >= 0 else ""
    return Finding("failed" if best >= wanted.alike else "passed", told, tuple(notes))


_EMPTY: Mapping[str, tuple[str, ...]] = {
    "words": ("word_count", "essay_words"),
    "characters": ("char_count",),
    "files": ("files",),
}
"""What each key of `empty` looks at."""


def _empty(_spec: FairCheck, written: Any) -> _Made:
    wanted = written if isinstance(written, Empty) else Empty(words=1, files=1)
    named = ((facts, getattr(wanted, name)) for name, facts in _EMPTY.items())
    least: dict[str, int] = {fact: most for facts, most in named if most is not None for fact in facts}

    def look(event: Event, _learner: str) -> Sight | None:
        facts = event.seen.facts
        known = {fact: value for fact in least if isinstance(value := facts.get(fact), int)}
        if not known:
            return Sight((), lambda _uses: UNKNOWN)
        seen = ", ".join(f"{fact} {value}" for fact, value in known.items())
        enough = any(value >= least[fact] for fact, value in known.items())
        return Sight((), lambda _uses: Finding("passed" if enough else "failed", seen))

    return look, "empty", frozenset(least)


def _pair(seen: Observation) -> tuple[str, str] | None:
    """Who did it and to whom: the author of the post that was answered, else whoever was rated."""
    giver, answered = seen.people.get("actor"), seen.facts.get("reply_to")
    taker = answered if isinstance(answered, str) else seen.people.get("subject")
    if not giver or not taker or (answered is None and (seen.kind or "").endswith(".posted")):
        return None
    return seen.learner(giver), seen.learner(taker)


def _reciprocal(spec: FairCheck, wanted: Reciprocal) -> _Made:
    meter = f"check:{spec.id}:pair:{wanted.within.seconds}s"

    def look(event: Event, _learner: str) -> Sight | None:
        seen = event.seen
        pair = _pair(seen)
        return _mutual(meter, wanted, seen, *pair) if pair is not None and pair[0] != pair[1] else None

    return look, f"reciprocal within {wanted.within.text}", frozenset({"reply_to"})


def _mutual(meter: str, wanted: Reciprocal, seen: Observation, giver: str, taker: str) -> Sight:
    at, window_s = seen.occurred_at, wanted.within.seconds
    there = around(meter, taker, giver, at, window_s)
    back = around(meter, giver, taker, at, window_s)
    use = Use(meter=meter, bucket=there[1][1], learner=giver, at=at, amount=1, slot=slot_of(seen))

    def ask(uses: Uses) -> Finding:
        new = len(uses.members(there[1])) < 4 * wanted.times + _ROOM and uses.note(use)
        gave, got = (
            sum(abs(when - at) < window_s for key in keys for when in uses.members(key).values())
            for keys in (there, back)
        )
        status: CheckStatus = "failed" if min(gave, got) >= wanted.times else "passed"
        return Finding(status, f"{gave} there, {got} back", (use,) if new else ())

    return Sight((*there, *back), ask)


def _self_rating(_spec: FairCheck, _wanted: object) -> _Made:
    def look(event: Event, _learner: str) -> Sight | None:
        pair = _pair(event.seen)
        if pair is None:
            return None
        finding = Finding("failed", "by the author") if pair[0] == pair[1] else PASSED
        return Sight((), lambda _uses: finding)

    return look, "self-rating", frozenset({"reply_to"})


def _suspicion(_spec: FairCheck, wanted: Rate) -> _Made:
    return None, f"suspicion {wanted.text}", frozenset()


_MAKERS: Mapping[str, Callable[[FairCheck, Any], _Made]] = {
    "velocity": _velocity,
    "identical": _identical,
    "toggling": _toggling,
    "duplicate_text": _duplicate_text,
    "empty": _empty,
    "reciprocal": _reciprocal,
    "self_rating": _self_rating,
    "suspicion": _suspicion,
}
