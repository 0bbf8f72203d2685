"""What posts say about one person, in whatever words: found, shown, and taken out of posts that name others too."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from agent.arriving.spared import is_of_others
from agent.collectors.systems.base import Arrival, RefusedPostError
from agent.collectors.systems.registry import SYSTEMS
from agent.collectors.systems.understood import understood
from agent.config.kinds import KindTable
from agent.model import Evidence

_LISTS = ("events", "statements")
"""Where one post holds several facts, which may be about several people."""
_PERSONAL = (
    *("user", "actor", "account", "member", "learner", "student", "contact", "author", "owner", "person"),
    *("grader", "teacher", "instructor", "tutor", "mentor", "reviewer", "referrer", "purchaser", "attendee"),
    *("sender", "recipient", "employee", "manager", "creator", "created_by", "modified_by", "approver"),
)
"""A number is somebody's id only under a key that says so."""

_CALLED = ("username", "idnumber", "login", "sis_id")
"""Keys under which a username or idnumber is one, and not a word that happens to be the same."""

People = Callable[[bytes], Sequence[Mapping[str, str]]]
"""A body → of each of its facts the ids of those who take part, by role, as its system's mapping reads it."""

Anew = Callable[[bytes], bytes]
"""Where the asking of a source stands → the same with a round that begins."""

_WITHIN = r"(?i)(?<![\w.+-]){}(?![\w-]|\.\w)"
"""An address within a longer text."""

_ESCAPES = re.compile(r'(?:\\u[0-9A-Fa-f]{4})+|\\[nrtbf"\\/]')
"""What stands for another character in JSON: PHP writes every letter so that is not English."""


def plain(text: str) -> str:
    """A word as it is compared: however its accents were typed, in small letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Traits:
    """By what a person is known in posts.

    ``ids`` by site are LMS user ids, ``words`` (`plain`) are usernames, idnumbers and addresses. Has no repr that
    could end in a log.
    """

    ids: Mapping[str, frozenset[str]]
    words: frozenset[str] = frozenset()

    @classmethod
    def of(cls, accounts: Collection[tuple[str, str]], words: Collection[str] = ()) -> Traits:
        """Those of (site, LMS user id) pairs, and what else the person is called by; empty words say nothing."""
        sites = {site for site, _ in accounts}
        ids = {site: frozenset(user for where, user in accounts if where == site) for site in sites}
        return cls(ids=ids, words=frozenset(plain(word.strip()) for word in words if word.strip()))

    def ids_at(self, site: str | None) -> frozenset[str]:
        """The ids at a site; of all sites where it is not known which: better too much is removed than too little."""
        return frozenset[str]().union(*self.ids.values()) if site is None else self.ids.get(site, frozenset())


def parts_about(body: bytes, ids: Collection[str], words: Collection[str], people: People) -> list[Any]:
    """The facts of a post that are about somebody, each as it stood there; a body that is not JSON whole, as text."""
    return [_shown(part) for part, mine in _parts(body, ids, words, people) if mine]


def without(
    body: bytes, ids: Collection[str], words: Collection[str], people: People, *, unread: bool = False
) -> tuple[bytes | None, bool]:
    """The post without the facts that are about somebody, and whether any of these had to stay.

    It is as it is where none is, None where nothing is left. Of a post that is ``unread`` those stay that are somebody
    else's too: what these have done is still to be recorded.
    """
    parts = list(_parts(body, ids, words, people))
    stay = [
        mine and unread and any(is_of_others(each, ids) for each in people(_together(body, [part])))
        for part, mine in parts
    ]
    left = [part for (part, mine), stays in zip(parts, stay, strict=True) if stays or not mine]
    if len(left) == len(parts):
        return body, any(stay)
    return _together(body, left) if left else None, any(stay)


def people_of(kind: str | None, site: str) -> People:
    """How the posts of a source are read; ``kind`` None is a source that is no longer configured."""
    system = SYSTEMS.get(kind or "")

    def people(body: bytes) -> Sequence[Mapping[str, str]]:
        if system is None:
            return ()
        arrival = Arrival(source=site, site=site, number=0, received_at=2**40, evidence=Evidence.nothing, body=body)
        try:
            return [seen.people for seen in understood(system, arrival, KindTable())]
        except RefusedPostError:
            return ()

    return people


def posts_about(
    connection: sqlite3.Connection, traits: Traits, sources: Mapping[str, tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    """Every post, kept or refused, with its parts about somebody; ``sources`` give (kind, site) by name."""
    for table in ("post", "refused"):
        rows = connection.execute(f"SELECT no, source, received_at, body FROM {table} ORDER BY no")  # noqa: S608 - two names
        for number, source, received_at, body in rows:
            kind, site = sources.get(source, (None, source))
            parts = parts_about(body, traits.ids.get(site, ()), traits.words, people_of(kind, site))
            if parts:
                row = {"number": number, "source": source, "received_at": received_at, "says": parts}
                yield {**row, "refused": table == "refused"}


def removed(
    connection: sqlite3.Connection,
    traits: Traits,
    sources: Mapping[str, tuple[str, str]],
    *,
    anew: Anew,
    read: Mapping[str, int] | None = None,
) -> tuple[int, int]:
    """Take somebody out of every post of an inbox; how many were changed, and how many go when they are read.

    Those are posts behind where their source is ``read`` (its number by its name; a source that is not named is read to
    its end) that are about somebody else too: what these have done is still to be recorded. Of posts that were refused
    nothing is needed any more: they go as soon as anything in them may be the person's. Rounds of asking that name the
    person begin ``anew``. The transaction is the caller's.
    """
    gone, left, later = [], [], []
    for number, source, body in connection.execute("SELECT no, source, body FROM post"):
        kind, site = sources.get(source, (None, None))
        unread = number > (read or {}).get(source, number)
        ids, people = traits.ids_at(site), people_of(kind, site or source)
        rest, stays = without(body, ids, traits.words, people, unread=unread)
        if stays:
            later.append((number,))
        if rest is None:
            gone.append((number,))
        elif rest != body:
            left.append((rest, number))
    refused = []
    for number, source, body in connection.execute("SELECT no, source, body FROM refused"):
        _, site = sources.get(source, (None, None))
        if _is_within(body, {*traits.words, *traits.ids_at(site)}):
            refused.append((number,))
    connection.executemany("DELETE FROM post WHERE no = ?", gone)
    connection.executemany("UPDATE post SET body = ? WHERE no = ?", left)
    if later:  # copies of older schemas are read to their end
        connection.executemany("UPDATE post SET leaves = 1 WHERE no = ?", later)
    connection.executemany("DELETE FROM refused WHERE no = ?", refused)
    asked = _asked_anew(connection, traits, sources, anew)
    return len(gone) + len(left) + len(refused) + asked, len(later)


def _asked_anew(
    connection: sqlite3.Connection, traits: Traits, sources: Mapping[str, tuple[str, str]], anew: Anew
) -> int:
    """Let rounds of asking begin again that are to ask about the person, or have; how many."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'pull'").fetchone():
        return 0
    changed = []
    for source, place in connection.execute("SELECT source, place FROM pull"):
        _, site = sources.get(source, (None, None))
        again = anew(place) if _is_within(place, {*traits.words, *traits.ids_at(site)}) else place
        if again != place:
            changed.append((again, source))
    connection.executemany("UPDATE pull SET place = ? WHERE source = ?", changed)
    return len(changed)


def _is_within(body: bytes, words: Collection[str]) -> bool:
    """Whether one of these words stands in bytes that may be anything, in whatever way letters are written there."""
    said = body.decode("utf-8", "replace")
    texts = {plain(one) for one in (said, unquote(said.replace("+", " ")), _ESCAPES.sub(_meant, said))}
    return any(re.search(rf"(?<!\w){re.escape(plain(word))}(?!\w)", text) for word in words for text in texts)


def _meant(found: re.Match[str]) -> str:
    """What an escape of JSON stands for; what is laid out stands for a space."""
    escape = found[0]
    if escape[1] != "u":
        return escape[1] if escape[1] in '"\\/' else " "
    units = bytes.fromhex(escape.replace("\\u", ""))
    return units.decode("utf-16-be", "replace")


def _parts(body: bytes, ids: Collection[str], words: Collection[str], people: People) -> Iterator[tuple[Any, bool]]:
    """The facts of a post, and whether each is about somebody."""

    def named(part: bytes) -> bool:
        return any(user in ids for each in people(part) for user in each.values())

    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = plain(body.decode("utf-8", "replace"))
        yield body, any(word in text for word in words) or named(body)
        return
    for part in _listed(whole):
        yield part, _says(part, ids, words) or named(_together(body, [part]))


def _listed(whole: Any) -> list[Any]:
    if isinstance(whole, list):
        return whole
    key = _list_key(whole)
    return [whole] if key is None else list(whole[key])


def _list_key(whole: Any) -> str | None:
    if not isinstance(whole, dict):
        return None
    return next((key for key in _LISTS if isinstance(whole.get(key), list)), None)


def _together(body: bytes, parts: list[Any]) -> bytes:
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    if isinstance(whole, list):
        return orjson.dumps(parts)
    key = _list_key(whole)
    return body if key is None else orjson.dumps({**whole, key: parts})


def _says(value: Any, ids: Collection[str], words: Collection[str], keys: tuple[str, ...] = ()) -> bool:
    """Whether a value names somebody; ``keys`` lead to it. An address says so anywhere, the rest where a key does."""
    if isinstance(value, dict):
        return any(_says(inner, ids, words, (*keys, key.casefold())) for key, inner in value.items())
    if isinstance(value, list):
        return any(_says(inner, ids, words, keys) for inner in value)
    if isinstance(value, bool) or value is None:
        return False
    text = str(value).strip()
    word = plain(text).removeprefix("mailto:")
    if word in words:
        return "@" in word or any(name in key for name in _CALLED for key in keys[-1:]) or "account" in keys
    if any("@" in one and one in word and re.search(_WITHIN.format(re.escape(one)), word) for one in words):
        return True
    return text in ids and any(name in key for name in _PERSONAL for key in keys)


def _shown(part: Any) -> Any:
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else part
