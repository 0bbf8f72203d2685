"""Using a one-time token: looked at as often as one likes, used once."""

from __future__ import annotations

import hmac
from typing import NoReturn

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.errors import RefusedError
from catalogue.redemption import records, vault
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State
from catalogue.store import Store
from wire.canonical import CAMPUS

TOKEN_CHARS_MAX = 200


async def look(store: Store, token: str, *, now: int) -> Redemption:
    """What a token is good for now.

    Raises:
        RefusedError: nothing: it is unknown, was used, is void, or has expired.
    """
    return await _use(store, token, now=now, by="", mark=False)


async def use(store: Store, token: str, *, now: int, by: str) -> Redemption:
    """Use a token; from now on it is good for nothing.

    Raises:
        RefusedError: it is good for nothing.
    """
    return await _use(store, token, now=now, by=by, mark=True)


async def _use(store: Store, token: str, *, now: int, by: str, mark: bool) -> Redemption:
    campus, _, _ = token.rpartition(".")
    if len(token) > TOKEN_CHARS_MAX or not CAMPUS.fullmatch(campus):
        _unknown()
    digest = vault.digest(token)
    async with store.writing() as conn:
        one = await records.by_token(conn, campus, digest)
        # Found by an index, which takes its own time: what was found is compared in constant time.
        if one is None or one.token_digest is None or not hmac.compare_digest(bytes(one.token_digest), digest):
            _unknown()
        if one.state is not State.fulfilled:
            raise RefusedError(409, "void", "this voucher is void: its points went back")
        if one.token_used_at is not None:
            raise RefusedError(409, "used", "this voucher was used already")
        if one.voucher_expires_at is not None and one.voucher_expires_at <= now:
            raise RefusedError(409, "expired", "this voucher has expired")
        if mark:
            said = Act(campus=one.campus, by=by, at=now, act="redemption.use", about=one.redemption)
            concerned = acts.rows(schema.redemption, campus=one.campus, redemption=one.redemption)
            async with acts.recorded(conn, said, concerned):
                await records.used_up(conn, one, at=now, by=by)
        return one


def _unknown() -> NoReturn:
    raise RefusedError(404, "unknown-token", "this is no voucher of ours")
