"""One person's wallets at several agents of a campus: by what persons are known, and what they have elsewhere.

A tag is a MAC under the link key that the agents of one campus share. The catalogue does not have that key: it can tell
that two tags are the same, and nothing else. Nothing here names a person but by a pseudonym.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wire import canonical
from wire.canonical import MalformedError

FORMAT = 1
CONTENT_TYPE = "application/json"
TOLD_MAX = 200
"""Most persons in one message of an agent."""
TAGS_MAX = 16
"""Most tags of one person."""
MESSAGE_BYTES_MAX = 2 * 2**20
PAGE_BYTES_MAX = 4 * 2**20
REASON_CHARS_MAX = 300
FIRST = "-"
"""Where a listing of persons begins: before every name."""
SAID_BY = ("idnumber", "username", "email")
"""What a tag may be made of, the strongest first."""

_TAG = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r"[0-9a-f]{16}")

Place = tuple[int, int]
"""Up to where something was heard: (movement of the central ledger, change of a link)."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Tag:
    """``said_by`` is one of `SAID_BY`, ``tag`` 32 hex digits; ``shared``: a system gives it to several accounts."""

    said_by: str
    tag: str
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an agent knows a person by, all of it; ``into`` is the person whose account it is now, or nothing."""

    name: str
    tags: tuple[Tag, ...] = ()
    into: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Persons of one agent, told anew. ``key`` names the link key of their tags: others' tags compare with nothing."""

    campus: str
    agent: str
    key: str
    people: tuple[Told, ...]

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "v": FORMAT,
                "kind": "people",
                "campus": self.campus,
                "agent": self.agent,
                "key": self.key,
                "people": {
                    one.name: {"into": one.into, "tags": [[tag.said_by, tag.tag, tag.shared] for tag in one.tags]}
                    for one in self.people
                },
            }
        )

    @classmethod
    def parse(cls, body: bytes) -> People:
        """Read one; people come in the order of their names.

        Raises:
            MalformedError: it is not one, or holds more than one message may.
        """
        fields = canonical.message(body, "people", form=FORMAT, bytes_max=MESSAGE_BYTES_MAX)
        told, key = fields.get("people"), fields.get("key")
        if not isinstance(told, dict) or len(told) > TOLD_MAX:
            raise MalformedError(f"field 'people' must be an object of at most {TOLD_MAX} persons")
        if not isinstance(key, str) or not (key == "" or _KEY.fullmatch(key)):
            raise MalformedError("field 'key' must be 16 lower-case hex digits, or empty")
        return cls(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            key=key,
            people=tuple(_told(name, one) for name, one in sorted(told.items())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """The answer: it is kept. ``other_keys`` are agents of the campus whose tags are of another link key."""

    campus: str
    agent: str
    other_keys: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Canonical bytes."""
        said = {"campus": self.campus, "agent": self.agent, "other_keys": list(self.other_keys)}
        return canonical.dump({"v": FORMAT, "kind": "noted", **said})

    @classmethod
    def parse(cls, body: bytes) -> Noted:
        """Read one.

        Raises:
            MalformedError: it is not one.
        """
        fields = canonical.message(body, "noted", form=FORMAT, bytes_max=MESSAGE_BYTES_MAX)
        return cls(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            other_keys=tuple(_called(name) for name in _list(fields, "other_keys")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What one person has in wallets of theirs beside this agent's.

    ``mates`` are those wallets' owners as (agent, pseudonym), ``wallets`` their sums by currency as (balance, earned);
    ``held`` says why another wallet may be theirs too and nobody may guess, or nothing.
    """

    name: str
    mates: tuple[tuple[str, str], ...] = ()
    wallets: Mapping[str, tuple[int, int]]
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What changed after ``since`` and up to ``upto`` for an agent's persons: all that holds of each now.

    ``since`` (0, 0) begins from nothing: whatever was heard before is to be forgotten. Such a listing comes in the
    order of names, of which ``after`` is the last one asked for; ``more`` says that there are others. ``at``: seconds
    UTC.
    """

    campus: str
    agent: str
    since: Place
    upto: Place
    after: str
    at: int
    more: bool
    people: tuple[Elsewhere, ...]

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "v": FORMAT,
                "kind": "elsewhere",
                "campus": self.campus,
                "agent": self.agent,
                "since": list(self.since),
                "upto": list(self.upto),
                "after": self.after,
                "at": self.at,
                "more": self.more,
                "people": {
                    one.name: {
                        "mates": [list(mate) for mate in one.mates],
                        "wallets": {currency: list(sums) for currency, sums in one.wallets.items()},
                        "held": one.held,
                    }
                    for one in self.people
                },
            }
        )

    @classmethod
    def parse(cls, body: bytes) -> Page:
        """Read one.

        Raises:
            MalformedError: it is not one.
        """
        fields = canonical.message(body, "elsewhere", form=FORMAT, bytes_max=PAGE_BYTES_MAX)
        told, more = fields.get("people"), fields.get("more")
        if not isinstance(told, dict) or not isinstance(more, bool):
            raise MalformedError("field 'people' must be an object and 'more' true or false")
        return cls(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            since=_place(fields, "since"),
            upto=_place(fields, "upto"),
            after=canonical.text(fields, "after"),
            at=canonical.whole(fields, "at"),
            more=more,
            people=tuple(_elsewhere(name, one) for name, one in sorted(told.items())),
        )


def _told(name: str, value: Any) -> Told:
    if not isinstance(value, dict):
        raise MalformedError("what a person is known by must be an object")
    found = _list(value, "tags")
    into = value.get("into")
    if len(found) > TAGS_MAX:
        raise MalformedError(f"{len(found)} tags are more than {TAGS_MAX} of one person")
    return Told(name=_called(name), tags=tuple(sorted(map(_tag, found))), into="" if into == "" else _called(into))


def _tag(value: Any) -> Tag:
    if not (isinstance(value, list) and len(value) == len(("said_by", "tag", "shared"))):
        raise MalformedError("a tag is by what it is told, what it is, and whether it is shared")
    said_by, tag, shared = value
    if said_by not in SAID_BY or not isinstance(shared, bool) or not isinstance(tag, str) or not _TAG.fullmatch(tag):
        raise MalformedError(
            f"a tag is told by one of {', '.join(SAID_BY)}, has 32 lower-case hex digits, true or false"
        )
    return Tag(said_by=said_by, tag=tag, shared=shared)


def _elsewhere(name: str, value: Any) -> Elsewhere:
    if not isinstance(value, dict) or not isinstance(value.get("wallets"), dict):
        raise MalformedError("what a person has elsewhere must be an object with wallets")
    wallets = {}
    for currency, sums in value["wallets"].items():
        balance, earned = _two(sums, "the sums of a wallet")
        if type(balance) is not int or type(earned) is not int:
            raise MalformedError("the sums of a wallet must be whole numbers")
        wallets[canonical.text({"currency": currency}, "currency")] = (balance, earned)
    mates = [_two(mate, "a wallet elsewhere") for mate in _list(value, "mates")]
    return Elsewhere(
        name=_called(name),
        mates=tuple((_called(agent), _called(mate)) for agent, mate in mates),
        wallets=wallets,
        held=canonical.text(value, "held", most=REASON_CHARS_MAX, empty=True),
    )


def _place(fields: Mapping[str, Any], name: str) -> Place:
    moved, linked = _two(fields.get(name), f"field '{name}'")
    return canonical.whole({"moved": moved}, "moved"), canonical.whole({"linked": linked}, "linked")


def _two(value: Any, what: str) -> tuple[Any, Any]:
    if not (isinstance(value, list) and len(value) == len(("one", "other"))):
        raise MalformedError(f"{what} must be a list of two")
    return value[0], value[1]


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise MalformedError(f"field {name!r} must be a list")
    return value


def _called(value: object) -> str:
    return canonical.called({"name": value}, "name")
