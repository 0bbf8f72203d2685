"""Kudos and awards given, taken back, hidden and shown again. Every function works in the caller's transaction."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.errors import RefusedError
from catalogue.recognition import answers, choices, policy, records, tags, words
from catalogue.recognition.answers import KEY_CHARS_MAX, Asked
from catalogue.recognition.policy import ANONYMOUS, CAMPUS, SEEN, Policy, Rate
from catalogue.recognition.records import AWARD, HIDDEN, KUDOS, REVOKED, SHOWN, Recognition
from catalogue.schema import recognition, remark
from catalogue.store import Store
from catalogue.wallets import purse

NAME_CHARS_MAX = 100
WHY_CHARS_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Somebody is to be recognised. ``about`` is a tag or a badge; ``seen`` '' is as the campus has it.

    ``key`` is the asker's own name for it: the same again is the same one. ``by`` is who asks, as acts name them.
    """

    campus: str
    key: str
    kind: str
    giver: str
    receiver: str
    about: str
    by: str
    message: str = ""
    seen: str = ""


async def asked(
    store: Store, wish: Wish, *, now: int, need: Callable[[AsyncConnection], Awaitable[None]] | None = None
) -> tuple[Recognition, bool]:
    """As `give`, in a transaction of its own; a no, of ``need`` too, is kept and stays the answer under its key.

    Raises:
        RefusedError: something stands against it, or stood when it was asked first.
    """
    said = (wish.kind, wish.giver, wish.receiver, wish.about, wish.message, wish.seen)

    async def doing(conn: AsyncConnection) -> tuple[Recognition, bool]:
        if need is not None:
            await need(conn)
        return await give(conn, wish, now=now)

    return await answers.once(store, Asked(campus=wish.campus, what=wish.kind, key=wish.key, said=said), doing, now=now)


async def give(conn: AsyncConnection, wish: Wish, *, now: int) -> tuple[Recognition, bool]:
    """Keep one, and whether it is new.

    Raises:
        RefusedError: something stands against it, or the key was used for another.
    """
    message = words.text(wish.message, most=words.MESSAGE_CHARS_MAX)
    last = await records.hold(conn, wish.campus)
    rules = await policy.of_campus(conn, wish.campus)
    one = _checked(wish, rules, no=last + 1, now=now)
    known = await records.by_key(conn, wish.campus, one.key)
    if known is not None:
        if (known.kind, *known.pair, known.about) != (one.kind, *one.pair, one.about):
            raise RefusedError(409, "key", "another was given under this key: take another key")
        return known, False
    if message and not rules.words:
        raise RefusedError(409, "no-words", "messages are not written here: a tag says it")
    # One person may have a pseudonym at each agent of the campus: what holds of one holds of all.
    givers, receivers = [await purse.names(conn, wish.campus, name) if name else () for name in one.pair]
    if set(givers) & set(receivers):
        raise _oneself()
    await choices.need_part(conn, wish.campus, *givers, *receivers)
    if one.kind == KUDOS:
        tags.check(one.about, await tags.of_campus(conn, wish.campus), rules)
        await _within(conn, wish.campus, givers, receivers, rules, now=now)
    await records.add(conn, one)
    if message:
        said = {"campus": one.campus, "recognition": one.no, "no": 0, "key": one.key, "author": one.giver, "at": now}
        await conn.execute(insert(remark), said | {"state": SHOWN, "text": message})
    return one, True


def _checked(wish: Wish, rules: Policy, *, no: int, now: int) -> Recognition:
    """The one that is wished for, if it could be at all."""
    names = {"key": (wish.key, KEY_CHARS_MAX * 2), "receiver": (wish.receiver, NAME_CHARS_MAX)}
    names |= {"giver": (wish.giver, NAME_CHARS_MAX)} if wish.kind == KUDOS or wish.giver else {}
    names |= {"badge": (wish.about, NAME_CHARS_MAX)} if wish.kind == AWARD else {}
    for name, (value, most) in names.items():
        if not 1 <= len(value) <= most or not value.isprintable():
            raise RefusedError(400, name, f"{name} is 1 to {most} printable characters")
    if wish.kind == KUDOS and not rules.kudos:
        raise RefusedError(409, "kudos-off", "this campus gives no kudos")
    if wish.giver == wish.receiver:
        raise _oneself()
    seen = wish.seen or (rules.seen if wish.kind == KUDOS else CAMPUS)
    if seen not in SEEN or (wish.kind == AWARD and seen == ANONYMOUS):
        raise RefusedError(400, "seen", f"seen is {', '.join(SEEN[:2] if wish.kind == AWARD else SEEN)}")
    if seen == ANONYMOUS and not rules.anonymous:
        raise RefusedError(409, "anonymous", "kudos are not given anonymously here")
    return Recognition(
        campus=wish.campus,
        no=no,
        key=wish.key,
        kind=wish.kind,
        giver=wish.giver,
        receiver=wish.receiver,
        about=words.tag(wish.about) if wish.kind == KUDOS else wish.about,
        seen=seen,
        given_at=now,
        given_by=wish.by,
    )


def _oneself() -> RefusedError:
    return RefusedError(409, "self", "nobody gives kudos or awards to themselves")


async def _within(
    conn: AsyncConnection, campus: str, givers: Sequence[str], receivers: Sequence[str], rules: Policy, *, now: int
) -> None:
    """See that the giver may give one more; what was taken back counts, too."""
    table = recognition.c
    own = [table.campus == campus, table.kind == KUDOS, table.giver.in_(givers)]
    for code, rate, only in (
        ("limit-giver", rules.per_giver, own),
        ("limit-pair", rules.per_pair, [*own, table.receiver.in_(receivers)]),
    ):
        since = now - rate.seconds
        counted = select(func.count(), func.min(table.given_at)).where(*only, table.given_at > since)
        count, oldest = (await conn.execute(counted)).one()
        if count >= rate.most:
            whom = " to one learner" if code == "limit-pair" else ""
            raise RefusedError(409, code, f"{rate} kudos{whom} are given{_again(rate, oldest)}")


def _again(rate: Rate, oldest: int | None) -> str:
    """From when on another may be given."""
    if oldest is None:
        return ""
    at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(oldest + rate.seconds))
    return f": the next from {at} UTC on"


async def revoke(
    conn: AsyncConnection, campus: str, no: int, *, why: str, by: str, now: int, giver: str | None = None
) -> Recognition:
    """Take one back for good: its ``giver``, under any pseudonym of theirs, or whoever looks after the campus.

    Again changes nothing.

    Raises:
        RefusedError: there is none, or it is not the giver's.
    """
    last = await records.hold(conn, campus)
    one = await records.need(conn, campus, no)
    if giver is not None and (one.kind != KUDOS or one.giver not in await purse.names(conn, campus, giver)):
        raise records.unknown()
    if one.state != REVOKED:
        ended = {"ended_no": last + 1, "ended_at": now, "ended_by": by, "why": reason(why)}
        await records.change(conn, one, state=REVOKED, **ended)
        await records.number(conn, campus, last + 1)
    return await records.need(conn, campus, no)


async def hide(conn: AsyncConnection, campus: str, no: int, *, why: str, by: str, now: int) -> Recognition:
    """Let nobody see one until it is shown again; again changes nothing.

    Raises:
        RefusedError: there is none, or it was taken back.
    """
    await records.hold(conn, campus)
    one = await _not_revoked(conn, campus, no)
    if one.state == SHOWN:
        await records.change(conn, one, state=HIDDEN, ended_at=now, ended_by=by, why=reason(why))
    return await records.need(conn, campus, no)


async def show(conn: AsyncConnection, campus: str, no: int) -> Recognition:
    """Let one be seen again that was hidden; again changes nothing.

    Raises:
        RefusedError: there is none, or it was taken back.
    """
    await records.hold(conn, campus)
    one = await _not_revoked(conn, campus, no)
    if one.state == HIDDEN:
        await records.change(conn, one, state=SHOWN, ended_at=None, ended_by="", why="")
    return await records.need(conn, campus, no)


async def _not_revoked(conn: AsyncConnection, campus: str, no: int) -> Recognition:
    one = await records.need(conn, campus, no)
    if one.state == REVOKED:
        raise RefusedError(409, "revoked", f"recognition {no} was taken back")
    return one


def reason(why: str) -> str:
    """Why something was done, as it is kept.

    Raises:
        RefusedError: nothing, or too much, is said.
    """
    plain = why.strip()
    if not 1 <= len(plain) <= WHY_CHARS_MAX or not plain.isprintable():
        raise RefusedError(400, "why", f"say why, in 1 to {WHY_CHARS_MAX} printable characters")
    return plain
