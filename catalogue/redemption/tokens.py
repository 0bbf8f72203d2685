"""Using a one-time token: looked at as often as one likes, used once."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import NoReturn

from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.errors import RefusedError
from catalogue.redemption import records, vault
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State
from catalogue.rewards.text import iso
from catalogue.store import Store
from wire.canonical import CAMPUS
from wire.money.spending import TOKEN_CHARS_MAX


async def look(store: Store, token: str, *, now: int, campus: str | None = None) -> Redemption:
    """What a token is good for now. ``campus`` is whose tokens may be looked at; None is any.

    Raises:
        RefusedError: nothing: it is unknown, was used, is void, or has expired.
    """
    of_campus = _campus(token, campus)
    async with store.reading() as conn:
        one = await _found(conn, of_campus, token, lock=False)
    _check(one, now)
    return one


async def use(
    store: Store, token: str, *, now: int, by: str, campus: str | None = None, key: str = "", why: str = ""
) -> Redemption:
    """Use a token; from now on it is good for nothing.

    ``key`` is the asker's own name for this use: asked again by the same under the same key, it is the same use.
    ``why`` is written down with it.

    Raises:
        RefusedError: it is good for nothing.
    """
    of_campus = _campus(token, campus)
    async with store.writing() as conn:
        one = await _found(conn, of_campus, token, lock=True)
        step = f"key {key}" if key else ""
        if step and one.state is State.fulfilled and await records.was_used(conn, one, by=by, why=step):
            return one
        _check(one, now)
        said = Act(campus=one.campus, by=by, at=now, act="redemption.use", about=one.redemption, why=why)
        concerned = acts.rows(schema.redemption, campus=one.campus, redemption=one.redemption)
        async with acts.recorded(conn, said, concerned):
            await records.used_up(conn, one, at=now, by=by, why=step)
        return replace(one, token_used_at=now)


def _campus(token: str, wanted: str | None) -> str:
    """Whose a token says that it is."""
    campus, _, _ = token.rpartition(".")
    if len(token) > TOKEN_CHARS_MAX or not CAMPUS.fullmatch(campus) or wanted not in {None, campus}:
        _unknown()
    return campus


async def _found(conn: AsyncConnection, campus: str, token: str, *, lock: bool) -> Redemption:
    digest = vault.digest(token)
    one = await records.by_token(conn, campus, digest, lock=lock)
    # Found by an index, which takes its own time: what was found is compared in constant time.
    if one is None or one.token_digest is None or not hmac.compare_digest(bytes(one.token_digest), digest):
        _unknown()
    return one


def _check(one: Redemption, now: int) -> None:
    if one.state is not State.fulfilled:
        raise RefusedError(409, "void", "this voucher is void: its points went back")
    if one.token_used_at is not None:
        raise RefusedError(409, "used", f"this voucher was used already, at {iso(one.token_used_at)}")
    if one.voucher_expires_at is not None and one.voucher_expires_at <= now:
        raise RefusedError(409, "expired", "this voucher has expired")


def _unknown() -> NoReturn:
    raise RefusedError(404, "unknown-token", "this is no voucher of ours")
