"""What undoes what: the refs under which an award can be found again, and the fold of acts and their undoing. Pure.

An award of a rule with `reverse_on` leaves a use under `object:<rule>`, an undo one under `undone:<rule>`, an act that
was refused because its scope was paid already one under `again:<rule>`; the bucket is the ref. Their ``amount`` is the
position in the site's log, which tells acts of one second apart. With these three the end is the same in whatever
order they arrive: of a scope as much is paid as was done since the last undo, and as it may be paid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple

from agent.engine.conditions import fact_of
from agent.model import Award, Decision, Observation, Use, UseKey

OBJECT, UNDONE, AGAIN = "object:", "undone:", "again:"

OWNED = frozenset(
    {
        "quiz_attempts",
        "forum_posts",
        "forum_discussions",
        "hsuforum_posts",
        "hsuforum_discussions",
        "assign_submission",
        "comments",
        "data_records",
        "glossary_entries",
        "wiki_pages",
        "workshop_assessments",
        "workshop_submissions",
        "statement",
        "order",
    }
)
"""Tables of what learners made: whoever undoes it, the id alone says whose awards it was; nobody else may be named."""

_BY: Mapping[str, str] = {
    "lesson.uncompleted": "lesson",
    "lesson.failed": "lesson",
    "course.unenrolled": "course",
    "course.reset": "everyone",
    "badge.revoked": "badge",
    "forum.post_deleted": "post",
    "forum.discussion_deleted": "discussion",
}

Ref = tuple[str, str]
"""(bucket, learner) of what an act was about; no learner where the object alone tells."""

When = tuple[int, int]
"""(seconds UTC, place in the site's log): the order of acts."""

_LAST = 2**62
"""After every number that a log can give."""


def when(seen: Observation) -> When:
    """The moment of an act. What was posted has its row's place; while it waits for that row, it comes after all."""
    place = _LAST if "unconfirmed" in seen.marks else seen.order or seen.position
    return seen.occurred_at, place


def undone_by(kind: str | None) -> str:
    """What an undoing event of this kind names: an object, a post, a lesson, a course, everyone in it or a badge."""
    return _BY.get(kind or "", "object")


def refs_of(seen: Observation, names: Iterable[str]) -> tuple[Ref, ...]:
    """Those of the named refs that this observation has."""
    found = (_REFS[name](seen) for name in sorted(names))
    return tuple(dict.fromkeys(ref for ref in found if ref is not None))


def _object(seen: Observation) -> Ref | None:
    return _owned(seen, seen.object_table or "object", seen.object_id)


def _post(seen: Observation) -> Ref | None:
    forum = (seen.object_table or "").partition("_")[0]
    return (f"{forum}_post={seen.site}:{seen.post}", "") if seen.post else None


def _discussion(seen: Observation) -> Ref | None:
    table = (seen.object_table or "forum_discussions").replace("_posts", "_discussions")
    if table not in OWNED:
        return None
    own = seen.object_id if seen.object_table in {None, table} else None
    named = fact_of(seen, "discussion")
    return _owned(seen, table, str(named) if named is not None else own)


def _lesson(seen: Observation) -> Ref | None:
    return _of_learner(seen, "lesson", seen.lesson)


def _course(seen: Observation) -> Ref | None:
    return _of_learner(seen, "course", seen.course)


def _everyone(seen: Observation) -> Ref | None:
    """Of all learners of a course at once."""
    return (f"everyone={seen.site}:{seen.course}", "") if seen.course else None


def _badge(seen: Observation) -> Ref | None:
    return _of_learner(seen, "badge", seen.object_id if seen.object_table == "badge" else None)


_REFS: Mapping[str, Callable[[Observation], Ref | None]] = {
    "object": _object,
    "post": _post,
    "discussion": _discussion,
    "lesson": _lesson,
    "course": _course,
    "badge": _badge,
    "everyone": _everyone,
}


def _owned(seen: Observation, table: str, number: str | None) -> Ref | None:
    if number is None:
        return None
    return (f"{table}={seen.site}:{number}", "") if table in OWNED else _of_learner(seen, table, number)


def _of_learner(seen: Observation, name: str, number: str | None) -> Ref | None:
    subject = seen.people.get("subject")
    return (f"{name}={seen.site}:{number}", seen.learner(subject)) if number and subject else None


def key(meter: str, rule_id: str, ref: Ref, prefix: str) -> UseKey:
    """Where such a use is counted."""
    return (f"{prefix}{meter}{rule_id}", *ref)


def mark(found: UseKey, seen: Observation) -> Use:
    """The use that an act or an undo leaves under a key."""
    return Use(meter=found[0], bucket=found[1], learner=found[2], at=seen.occurred_at, amount=when(seen)[1])


def is_object(use: Use) -> bool:
    """Whether a use only says what an award was about."""
    return use.meter.startswith(OBJECT)


class Waiting(NamedTuple):
    """An open hold that an undo would close: its number (`Decision.supersedes`), when its act was, what it reserves."""

    number: int
    when: When
    learner: str
    scope: str
    reserves: tuple[Use, ...] = ()


class Taken(NamedTuple):
    """What an undo takes of an object: awards and holds, the oldest act first; whether some were done ``again``."""

    awards: list[Award]
    holds: list[Waiting]
    again: bool


class Acts:
    """What a page knows of awards that can be undone, by the key of their object, and of open holds about it."""

    __slots__ = ("_awards", "_holds", "_new")

    def __init__(
        self,
        awards: Mapping[UseKey, Iterable[Award]] | None = None,
        holds: Mapping[UseKey, Iterable[Waiting]] | None = None,
    ) -> None:
        self._awards = {where: list(found) for where, found in (awards or {}).items()}
        self._holds = {where: list(found) for where, found in (holds or {}).items()}
        self._new: list[UseKey] = []

    def paid(self, uses: Iterable[Use], award: Award) -> None:
        """An award of this page."""
        for use in uses:
            self._awards.setdefault((use.meter, use.bucket, use.learner), []).append(award)

    def answered(self, uses: Iterable[Use], award: Award) -> None:
        """What was about these objects is answered already."""
        for use in uses:
            where = (use.meter, use.bucket, use.learner)
            gone = (award.learner, award.scope, award.generation)
            self._awards[where] = [
                one for one in self._awards.get(where, ()) if (one.learner, one.scope, one.generation) != gone
            ]

    def held(self, decision: Decision, number: int) -> None:
        """A hold of this page."""
        for use in decision.uses:
            if is_object(use):
                where, moment = (use.meter, use.bucket, use.learner), (use.at, use.amount)
                one = Waiting(number, moment, decision.learner, decision.scope, decision.reserves)
                self._new.append(where)
                self._holds.setdefault(where, []).append(one)

    def number_holds(self, numbered: Callable[[Iterable[int]], tuple[int, ...]]) -> None:
        """Give the holds of this page the numbers that later pages know them by."""
        for where in self._new:
            waiting = self._holds[where]
            numbers = numbered(each.number for each in waiting)
            waiting[:] = [each._replace(number=number) for number, each in zip(numbers, waiting, strict=True)]
        self._new.clear()

    def take(self, where: UseKey, upto: When, since: Callable[[str, str], int]) -> Taken:
        """The live awards and open holds about an object whose act was no later; they are live and open no longer.

        ``since`` says how often a learner did it again later in a scope, and was refused because that was used up: of
        what uses it up as much stays, the newest first. The oldest act comes first, as the ledger gives them: where
        pages end changes no order.
        """
        awards = [one for one in self._awards.get(where, ()) if one.when <= upto]
        holds = [one for one in self._holds.get(where, ()) if one.when <= upto]
        standing: list[Award | Waiting] = [*awards, *(one for one in holds if one.reserves)]
        room = {place: since(*place) for place in {(one.learner, one.scope) for one in standing}}
        kept = set[Award | Waiting]()
        for one in sorted(standing, key=attrgetter("when"), reverse=True):
            if room[one.learner, one.scope] > 0:
                room[one.learner, one.scope] -= 1
                kept.add(one)
        taken = Taken(
            sorted((one for one in awards if one not in kept), key=attrgetter("when")),
            [one for one in holds if one not in kept],
            again=bool(kept),
        )
        self._gone(taken)
        return taken

    def _gone(self, taken: Taken) -> None:
        gone = frozenset(taken.awards)
        for found in {(use.meter, use.bucket, use.learner) for award in gone for use in award.uses}:
            if found in self._awards:
                self._awards[found] = [award for award in self._awards[found] if award not in gone]
        self.closed([each.number for each in taken.holds])

    def closed(self, numbers: Collection[int]) -> None:
        """These holds are open no longer."""
        for waiting in self._holds.values() if numbers else ():
            waiting[:] = [each for each in waiting if each.number not in numbers]

    def close(self, where: UseKey, number: int) -> bool:
        """Take one hold about an object out; False where it is open no longer."""
        waiting = self._holds.get(where, [])
        left = [each for each in waiting if each.number != number]
        closed = len(left) < len(waiting)
        waiting[:] = left
        return closed


def again_ref(ref: Ref, learner: str, scope: str) -> Ref:
    """Where it is kept that somebody did something again: it speaks for one scope of one learner, and no other."""
    return f"{ref[0]}|{scope}", learner


def again_keys(about: Mapping[UseKey, Iterable[Award | Waiting]]) -> frozenset[UseKey]:
    """What must be known besides of awards and holds that may be undone."""
    return frozenset(
        (meter.replace(OBJECT, AGAIN, 1), *again_ref((bucket, learner), one.learner, one.scope))
        for (meter, bucket, learner), found in about.items()
        for one in found
    )


def later(marks: Iterable[Use], when: When) -> bool:
    """Whether any of the marks is later than ``when``, or the same moment of the same row."""
    return any((use.at, use.amount) >= when for use in marks)


def award_of(decision: Decision, seen: Observation, number: int) -> Award:
    """An award of this page, its ``number``-th decision, as an undo of its act would find it."""
    return Award(
        marker=0,
        number=number,
        when=when(seen),
        role=decision.role,
        learner=decision.learner,
        scope=decision.scope,
        generation=decision.generation,
        postings=decision.postings,
        uses=decision.uses,
    )
