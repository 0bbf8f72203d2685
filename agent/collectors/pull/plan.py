"""What a plan is: which request next, what its answer says, how far that is. Pure; the driver does the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from agent.collectors.inbox.pulls import Fetched
from agent.collectors.pull.client import Answer
from agent.collectors.systems.base import from_iso
from agent.errors import IntegrityError, TransientError

DUE_MAX = 50_000
"""Requests that may still be due in one round."""
ROUND_ASKS_MAX = 200_000
"""Requests of one round; a system whose pages never end is told, and its next round begins anew."""
TRIES_MAX = 3
"""How often an answer may be odd, each time after the others were asked, before it is set aside."""
LATEST = 253_402_300_799
"""The last second that a calendar knows."""


class OddAnswerError(TransientError):
    """An answer that came whole and is not what this system answers; ``body`` is how it begins, once it is known."""

    body = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: ``what`` tells the plan what the answer is about, ``about`` whose it is.

    Where ``needed`` the round cannot do without it; others may be refused (somebody was deleted meanwhile).
    ``tries`` counts odd answers.
    """

    what: str
    target: str
    about: str = ""
    needed: bool = False
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One reading of a system from ``since`` (seconds UTC) to what there is; ``start`` is before what nothing counts.

    ``begun`` 0 is between two rounds; ``number`` counts those that are over. ``newest`` is how far answers came that
    are in order of their time, ``known`` what the plan learned in this round.
    """

    start: int
    since: int
    begun: int = 0
    number: int = 0
    newest: int = 0
    asked: int = 0
    todo: tuple[Ask, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What one answer came to: facts, what to ask next (before what is due already), and what the round knows now."""

    fetched: Sequence[Fetched] = ()
    asks: Sequence[Ask] = ()
    newest: int | None = None
    known: Mapping[str, Any] | None = None


class Plan(Protocol):
    """How one system is asked."""

    def first(self, this: Round) -> Sequence[Ask]:
        """The requests that a round begins with."""
        ...

    def took(self, ask: Ask, answer: Answer, this: Round, now: int) -> Took:
        """What a good answer says.

        Raises:
            OddAnswerError: it is not what this system answers.
        """
        ...

    def since(self, this: Round) -> int:
        """Where the next round begins: what it tells again is known by its marks."""
        ...


def began(plan: Plan, this: Round, now: int) -> Round:
    """The round under way, or a new one."""
    if this.begun:
        return this
    fresh = replace(this, begun=now, newest=0, asked=0, known={}, todo=())
    return replace(fresh, todo=tuple(plan.first(fresh)))


def went_on(plan: Plan, this: Round, took: Took | None) -> Round:
    """The round after its first request: answered, or refused (None); over where nothing is due."""
    took = took or Took()
    todo = (*took.asks, *this.todo[1:])
    if len(todo) > DUE_MAX:
        raise TransientError(f"more than {DUE_MAX} requests in one round", hint="ask more often: every = …")
    newest = this.newest if took.newest is None else took.newest
    known = this.known if took.known is None else took.known
    this = replace(this, todo=todo, newest=newest, known=known, asked=this.asked + 1)
    if this.asked >= ROUND_ASKS_MAX:
        return replace(Round(start=this.start, since=this.since), number=this.number)
    if todo:
        return this
    since = max(plan.since(this), this.start)
    return Round(start=this.start, since=since, number=this.number + 1)


def put_off(this: Round) -> Round | None:
    """The round with its first request behind all others, since its answer was odd; None where that may not be."""
    first, *others = this.todo
    if first.needed or first.tries + 1 >= TRIES_MAX:
        return None
    return replace(this, todo=(*others, replace(first, tries=first.tries + 1)))


def written(this: Round) -> bytes:
    """A round as the inbox keeps it."""
    asks = [[ask.what, ask.target, ask.about, ask.needed, ask.tries] for ask in this.todo]
    names = ("start", "since", "begun", "number", "newest", "asked", "known")
    return orjson.dumps({**{name: getattr(this, name) for name in names}, "todo": asks})


def read(kept: bytes) -> Round:
    """A round as it was kept.

    Raises:
        IntegrityError: it was not written by this program.
    """
    try:
        found = orjson.loads(kept)
        asks = (
            Ask(what=what, target=target, about=about, needed=needed, tries=tries[0] if tries else 0)
            for what, target, about, needed, *tries in found.pop("todo")
        )
        return Round(**found, todo=tuple(asks))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise IntegrityError(
            "the inbox does not say how far this source was read", hint="was inbox.db changed by hand?"
        ) from error


def anew(kept: bytes) -> bytes:
    """A round that is under way as if it were still to begin: what it asked for, and learned, is forgotten.

    What is no round of ours stays as it is.
    """
    try:
        this = read(kept)
    except IntegrityError:
        return kept
    return written(replace(Round(start=this.start, since=this.since), number=this.number)) if this.begun else kept


def told(body: Mapping[str, Any], recorded_at: int, *mark: str) -> Fetched:
    """A fact; ``mark`` are words that are the same whenever it is told, by default all of it."""
    plain = orjson.dumps(body)
    return Fetched(body=plain, mark=mark_of(*mark) if mark else _digest(plain), recorded_at=recorded_at)


def mark_of(*words: str) -> bytes:
    """What is remembered of a fact."""
    return _digest(orjson.dumps(words))


def _digest(plain: bytes) -> bytes:
    return hashlib.sha256(plain).digest()[:20]


def answered(answer: Answer, what: str) -> Any:
    """An answer's JSON.

    Raises:
        OddAnswerError: it is none: half of it, or a page for people.
    """
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise OddAnswerError(f"what it answers about {what} is not JSON", hint="is url that of its API?") from None


def listed(found: object, what: str) -> list[dict[str, Any]]:
    """A list of objects; what is none among them is left out.

    Raises:
        OddAnswerError: it is no list.
    """
    if not isinstance(found, list):
        raise OddAnswerError(f"what it answers about {what} is no list", hint="is url that of its API?")
    return [each for each in found if isinstance(each, dict)]


def seconds(value: object) -> int | None:
    """A time as whole seconds since 1970: a number, or ISO 8601 with a zone; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if 0 <= value < 10**11 else None
    try:
        moment = from_iso(value) if isinstance(value, str) else None
        at = int(moment.timestamp()) if moment is not None and moment.tzinfo is not None else -1
    except (ValueError, OverflowError):
        return None
    return at if 0 <= at <= LATEST else None


def iso(at: int) -> str:
    """Seconds as ISO 8601."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def words(value: object) -> str:
    """An id as text; empty where it is none."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
