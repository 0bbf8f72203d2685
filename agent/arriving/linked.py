"""Whose wallet an account stands for: accounts of several sites that trusted sources call one person are one person.

An account is linked where it is first seen and nothing contradicts it. What is ambiguous, and what both accounts have
earned already, waits for a person (docs/adr/0062-one-person-one-wallet.md).
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import aiosqlite

from agent.ledger.merging import aliases, merge, tags
from agent.ledger.merging.aliases import Account, Aliases
from agent.ledger.merging.tags import Tags
from agent.model import CLAIMED, Event, Evidence, Identifier

ACCOUNTS_REMEMBERED_MAX = 100_000
"""Accounts of which the last word is kept in memory, to write only what is news."""

AWAITED_MAX = 100_000
"""Accounts of which it is remembered that somebody named them before anything was seen of them."""
LOOK_S = 60
"""How often it is looked whether any of them came to be by hand, without an act of theirs."""

_TAG_DIGITS = 32
_WORDS = {"email": "e-mail"}
_DELETED = frozenset({"deleted", "deleted_before"})
BY = "[identity]"
"""Who links, in the list of merges."""


def plain(by: str, value: str) -> str:
    """What is compared: addresses and usernames without their case, `a+b@c.org` apart from `a@c.org`; "" is nothing.

    An idnumber of zeros alone is what an export writes where there is none.
    """
    text = unicodedata.normalize("NFC", value).strip()
    if by == "idnumber":
        return text if text.strip("0") else ""
    text = text.casefold()
    return "" if by == "email" and not all(text.rpartition("@")[::2]) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is to become of an account: linked ``into`` one, or held for ``reason`` beside ``others``; or neither."""

    into: Account | None = None
    others: frozenset[Account] = frozenset()
    reason: str = ""
    by: str = ""


def decide(
    account: Account,
    known: Mapping[Account, Tags],
    merged: Aliases,
    link_by: Sequence[str],
    claimed: Collection[Account] = (),
) -> Word:
    """What the tags in ``known`` say of ``account``, the strongest of ``link_by`` first; nothing is guessed.

    ``claimed`` are accounts of other sites that are said to be the same person's: what else is told must agree.
    """
    found, others, doubt = _alike(account, known, merged, link_by)
    for one in sorted(claimed):
        others.add(one)
        found.setdefault(merged.root(one), f"id at {one[0]}")
        apart = [how for how in link_by if _differ(known[account], known[one], how)]
        if apart:
            doubt = doubt or f"the id at {one[0]} is another's: the {_WORDS.get(apart[0], apart[0])} is not the same"
    if len(found) > 1:
        doubt = doubt or f"two people have this {' or '.join(sorted(set(found.values())))}"
    for root, by in found.items():
        twice = {site for site, _ in merged.group(account)} & {site for site, _ in merged.group(root)}
        if twice:
            doubt = doubt or f"they would have two accounts of {', '.join(sorted(twice))}"
        elif not doubt:
            return Word(into=root, others=frozenset(others), by=by)
    return Word(others=frozenset(others), reason=doubt)


def _alike(
    account: Account, known: Mapping[Account, Tags], merged: Aliases, link_by: Sequence[str]
) -> tuple[dict[Account, str], set[Account], str]:
    """(Whose wallets the tags lead to and by what, the accounts that have them too, why that is doubtful)."""
    mine, ours = known[account], merged.group(account)
    found: dict[Account, str] = {}
    others: set[Account] = set()
    doubt = ""
    for by in (one for one in link_by if one in mine):
        tag, shared = mine[by]
        same = {one: said[by] for one, said in known.items() if by in said and said[by][0] == tag and one not in ours}
        away = {one for one in same if one[0] != account[0]}
        if not away:
            continue
        others |= same.keys()
        name = _WORDS.get(by, by)
        if shared or len(away) < len(same) or any(told for _, told in same.values()):
            doubt = doubt or f"two accounts of one site have this {name}"
        for one in sorted(away):
            found.setdefault(merged.root(one), name)
            apart = [how for how in link_by if how != by and _differ(mine, known[one], how)]
            if apart:
                doubt = doubt or f"the {name} is the same and the {_WORDS.get(apart[0], apart[0])} is not"
    return found, others, doubt


def _differ(mine: Tags, theirs: Tags, how: str) -> bool:
    """Whether both are told of, and are not the same; what only one site knows contradicts nothing."""
    return how in mine and how in theirs and mine[how][0] != theirs[how][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What is said of an account: by a log all there is, by a post what it happens to mention (``partly``)."""

    tags: Tags
    claims: frozenset[Account] = frozenset()
    partly: bool = False

    def beside(self, told: Tags | None) -> bool:
        """Whether it adds to what was ``told``, or changes it."""
        return told != self.tags if told is None or not self.partly else {**told, **self.tags} != told


class Linking:
    """Links accounts as their first events come in, by the word of ``sources``, in the order of ``link_by``."""

    def __init__(self, *, key: bytes, link_by: Sequence[str], sources: Collection[str]) -> None:
        self._key = key
        self._link_by = tuple(by for by in link_by if by != CLAIMED)
        self._claiming = CLAIMED in link_by
        self._sources = frozenset(sources)
        self._told: dict[Account, Tags] = {}
        self._claimed: dict[Account, frozenset[Account]] = {}
        self._awaited: dict[Account, set[Account]] | None = None
        self._looked_at = 0

    async def adopt(self, connection: aiosqlite.Connection) -> None:
        """Begin: what another key made compares with nothing."""
        await tags.adopt(connection, hmac.new(self._key, b"name", sha256).hexdigest()[:_TAG_DIGITS])
        await tags.trust(connection, self._sources if self._claiming else ())

    def forget(self) -> None:
        """What was told may not stand on disk."""
        self._told.clear()
        self._claimed.clear()
        self._awaited = None

    async def arrived(
        self, connection: aiosqlite.Connection, events: Iterable[Event], merged: Aliases, now: int
    ) -> Aliases:
        """The aliases with those that these events' identifiers add; one query for all that is news."""
        events = list(events)
        said = self._news(events)
        appeared = await self._appeared(connection, events, now) if self._claiming else frozenset()
        waited = await self._said_before(connection, appeared, said) if appeared else set[Account]()
        if not said:
            return merged
        before = await tags.of(connection, said)
        news = {one: {**before.get(one, {}), **new.tags} if new.partly else new.tags for one, new in said.items()}
        known = await tags.alike(connection, news.values())
        await tags.keep(connection, {account: told for account, told in news.items() if before.get(account) != told})
        known.update(news)
        elsewhere = await self._elsewhere(connection, said, known, appeared)
        having: set[Account] | None = None
        for account, told in news.items():
            claimed = said[account].claims & elsewhere
            self._remember(account, told, said[account].claims)
            word = decide(account, known, merged, self._link_by, claimed - merged.group(account))
            unseen = said[account].claims - elsewhere
            if unseen and word.into is None and not word.reason:
                word = Word(others=unseen, reason=tags.UNSEEN)
                self._await(account, unseen)
            if word.into is None and not word.others and account not in before and account not in waited:
                continue
            if word.into is not None:
                having = having if having is not None else await tags.having(connection, self._roots(known, merged))
                pair = _direction(merged.root(account), word.into, having)
                if pair is not None:
                    reason = f"the same {word.by}"
                    source, target = (":".join(one) for one in pair)
                    await merge.alias(connection, source, target, by=BY, reason=reason, now=now)
                    merged = await aliases.load(connection)
                    continue
                word = Word(others=word.others, reason=f"the same {word.by}, and both have earned already")
            await tags.hold(connection, account, word.others, word.reason, now)
        return merged

    def _news(self, events: Iterable[Event]) -> dict[Account, _News]:
        news: dict[Account, _News] = {}
        for seen in (event.seen for event in events if event.seen.source in self._sources):
            partly = seen.evidence is not Evidence.database_row
            for user, said in seen.identifiers.items():
                account = (seen.site, user)
                claims = self._claims(seen.site, said)
                new, earlier = _News(tags=self._tags(said), claims=claims, partly=partly), news.get(account)
                if partly and earlier is not None:
                    both = earlier.claims | claims
                    new = _News(tags={**earlier.tags, **new.tags}, claims=both, partly=earlier.partly)
                unheard = not claims <= self._claimed.get(account, frozenset())
                if earlier is not None or unheard or new.beside(self._told.get(account)):
                    news[account] = new
            # Their address may be a successor's: who is deleted is known by nothing any more.
            gone = ((seen.site, user) for user, mark in seen.person_marks.items() if mark in _DELETED)
            news |= {account: _News(tags={}) for account in gone if self._told.get(account) != {}}
        return news

    def _tags(self, said: Iterable[Identifier]) -> Tags:
        found: dict[str, tuple[str, bool]] = {}
        for one in said:
            value = plain(one.by, one.value) if one.by in self._link_by else ""
            if value:
                mac = hmac.new(self._key, f"{one.by}\0{value}".encode(), sha256)
                found[one.by] = mac.hexdigest()[:_TAG_DIGITS], one.shared
        return found

    def _claims(self, site: str, said: Iterable[Identifier]) -> frozenset[Account]:
        if not self._claiming:
            return frozenset()
        named = (one.value.partition(":") for one in said if one.by == CLAIMED)
        return frozenset((there, user) for there, _, user in named if there and user and there != site)

    async def _appeared(
        self, connection: aiosqlite.Connection, events: Sequence[Event], now: int
    ) -> frozenset[Account]:
        """The accounts that were named before anything was seen of them, and are there now.

        Those that these events are about; and now and then, those that came to be otherwise.
        """
        if self._awaited is None:
            self._awaited = {}
            for account, named in await tags.awaited(connection, AWAITED_MAX):
                self._await(account, named)
        if not self._awaited:
            return frozenset()
        people = {(event.seen.site, user) for event in events for user in event.seen.people.values()}
        there = people & self._awaited.keys()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            there |= await tags.having(connection, self._awaited)
        return frozenset(there)

    async def _said_before(
        self, connection: aiosqlite.Connection, appeared: frozenset[Account], said: dict[Account, _News]
    ) -> set[Account]:
        """Put what was said of those that appeared into what is ``said`` now, as far as it still stands; by whom."""
        waiting = {one for target in appeared for one in (self._awaited or {}).pop(target, ())}
        still = dict(await tags.awaiting(connection, waiting))
        for account, named in still.items():
            new = said.get(account, _News(tags={}, partly=True))
            said[account] = replace(new, claims=new.claims | named)
        return set(still)

    def _await(self, account: Account, unseen: Iterable[Account]) -> None:
        if self._awaited is not None and len(self._awaited) < AWAITED_MAX:
            for one in unseen:
                self._awaited.setdefault(one, set()).add(account)

    @staticmethod
    async def _elsewhere(
        connection: aiosqlite.Connection,
        said: Mapping[Account, _News],
        known: dict[Account, Tags],
        appeared: frozenset[Account],
    ) -> frozenset[Account]:
        """The claimed accounts that are there: one that nobody has seen may be a slip of the pen."""
        claims = {one for new in said.values() for one in new.claims}
        if not claims:
            return frozenset()
        known.update({one: {} for one in appeared if one not in known})
        known.update({one: told for one, told in (await tags.of(connection, claims)).items() if one not in known})
        there = await tags.having(connection, claims)
        known.update({one: {} for one in there if one not in known})
        return frozenset(claims & known.keys())

    def _remember(self, account: Account, told: Tags, claimed: frozenset[Account]) -> None:
        if len(self._told) >= ACCOUNTS_REMEMBERED_MAX:
            self.forget()
        self._told[account], self._claimed[account] = told, claimed

    @staticmethod
    def _roots(known: Iterable[Account], merged: Aliases) -> set[Account]:
        return {root for one in known for root in (one, merged.root(one))}


def _direction(account: Account, into: Account, having: Collection[Account]) -> tuple[Account, Account] | None:
    """Which becomes an alias of which: the one that has nothing. None where both have something."""
    if account not in having:
        return account, into
    return (into, account) if into not in having else None
