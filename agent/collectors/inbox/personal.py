"""What posts say about one person, in whatever words: found, shown, and taken out of posts that name others too."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agent.collectors.systems.base import Arrival, RefusedPostError
from agent.collectors.systems.registry import SYSTEMS
from agent.collectors.systems.understood import understood
from agent.config.kinds import KindTable
from agent.model import Evidence

_LISTS = ("events", "statements")
"""Where one post holds several facts, which may be about several people."""
_PERSONAL = ("user", "actor", "account", "member", "learner", "student", "contact", "author", "owner")
"""A number is somebody's id only under a key that says so."""

_CALLED = ("username", "idnumber", "login", "sis_id")
"""Keys under which a username or idnumber is one, and not a word that happens to be the same."""

People = Callable[[bytes], Collection[str]]
"""A body → the ids of those whom it names, as its system's mapping reads it."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Traits:
    """By what a person is known in posts.

    ``ids`` by site are LMS user ids, ``words`` (small letters) are usernames, idnumbers and addresses. Has no repr that
    could end in a log.
    """

    ids: Mapping[str, frozenset[str]]
    words: frozenset[str] = frozenset()

    @classmethod
    def of(cls, accounts: Collection[tuple[str, str]], words: Collection[str] = ()) -> Traits:
        """Those of (site, LMS user id) pairs, and what else the person is called by; empty words say nothing."""
        sites = {site for site, _ in accounts}
        ids = {site: frozenset(user for where, user in accounts if where == site) for site in sites}
        return cls(ids=ids, words=frozenset(word.strip().casefold() for word in words if word.strip()))


def parts_about(body: bytes, ids: Collection[str], words: Collection[str], people: People) -> list[Any]:
    """The facts of a post that are about somebody, each as it stood there; a body that is not JSON whole, as text."""
    return [_shown(part) for part, mine in _parts(body, ids, words, people) if mine]


def without(body: bytes, ids: Collection[str], words: Collection[str], people: People) -> bytes | None:
    """The post without the facts that are about somebody: as it is where none is, None where nothing is left."""
    parts = list(_parts(body, ids, words, people))
    if not any(mine for _, mine in parts):
        return body
    left = [part for part, mine in parts if not mine]
    return _together(body, left) if left else None


def people_of(kind: str | None, site: str) -> People:
    """How the posts of a source are read; ``kind`` None is a source that is no longer configured."""
    system = SYSTEMS.get(kind or "")

    def people(body: bytes) -> Collection[str]:
        if system is None:
            return ()
        arrival = Arrival(source=site, site=site, number=0, received_at=2**40, evidence=Evidence.nothing, body=body)
        try:
            return {user for seen in understood(system, arrival, KindTable()) for user in seen.people.values()}
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


def removed(connection: sqlite3.Connection, traits: Traits, sources: Mapping[str, tuple[str, str]]) -> int:
    """Take somebody out of every post of an inbox; how many posts were changed. The transaction is the caller's.

    Of posts that were refused nothing is needed any more: they go as soon as anything in them may be the person's.
    """
    gone, left = [], []
    for number, source, body in connection.execute("SELECT no, source, body FROM post"):
        kind, site = sources.get(source, (None, source))
        rest = without(body, traits.ids.get(site, ()), traits.words, people_of(kind, site))
        if rest is None:
            gone.append((number,))
        elif rest != body:
            left.append((rest, number))
    refused = []
    for number, source, body in connection.execute("SELECT no, source, body FROM refused"):
        _, site = sources.get(source, (None, source))
        words = {*traits.words, *traits.ids.get(site, ())}
        if any(re.search(rb"(?i)(?<![\w])" + re.escape(word.encode()) + rb"(?![\w])", body) for word in words):
            refused.append((number,))
    connection.executemany("DELETE FROM post WHERE no = ?", gone)
    connection.executemany("UPDATE post SET body = ? WHERE no = ?", left)
    connection.executemany("DELETE FROM refused WHERE no = ?", refused)
    return len(gone) + len(left) + len(refused)


def _parts(body: bytes, ids: Collection[str], words: Collection[str], people: People) -> Iterator[tuple[Any, bool]]:
    """The facts of a post, and whether each is about somebody."""
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace").casefold()
        yield body, any(word in text for word in words)
        return
    for part in _listed(whole):
        again = _together(body, [part])
        yield part, _says(part, ids, words) or bool(set(people(again)) & set(ids))


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
    word = text.casefold().removeprefix("mailto:")
    if word in words:
        return "@" in word or any(name in key for name in _CALLED for key in keys[-1:]) or "account" in keys
    return text in ids and any(name in key for name in _PERSONAL for key in keys)


def _shown(part: Any) -> Any:
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else part
