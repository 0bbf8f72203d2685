"""Tokens of other programs: made, listed, revoked, proven. Only the hash of a secret is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import tenants
from catalogue.api.rate import REQUESTS_PER_MINUTE
from catalogue.errors import CatalogueError, RefusedError
from catalogue.schema import api_token, tenant

SCOPES = (
    "points:read",
    "ledger:read",
    "names:read",
    "rewards:read",
    "rewards:write",
    "vouchers:use",
    "recognition:read",
    "recognition:write",
    "recognition:moderate",
)
PER_MINUTE_MAX = 10_000
SECRET_BYTES = 32
TOKEN_CHARS_MAX = 512
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_PARTS = 3
_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who asks, proven: what they see is this campus and nothing else."""

    campus: str
    name: str
    scopes: frozenset[str]
    per_minute: int


async def add(
    conn: AsyncConnection,
    campus: str,
    name: str,
    scopes: list[str],
    *,
    expires_at: int,
    by: str,
    now: int,
    per_minute: int = REQUESTS_PER_MINUTE,
) -> str:
    """Make a token; the text of it, which is told this once.

    Raises:
        CatalogueError: the campus is unknown, the name is taken or unfit, or a scope is not one of `SCOPES`.
        RefusedError: the campus is closed.
    """
    if not _NAME.fullmatch(name):
        raise CatalogueError(f"{name!r} is no name for a token", hint="small letters, digits, - and _, at most 40")
    if not scopes or set(scopes) - set(SCOPES):
        raise CatalogueError("not a scope", hint=f"one or more of: {', '.join(SCOPES)}")
    if not 1 <= per_minute <= PER_MINUTE_MAX:
        raise CatalogueError(f"{per_minute} requests a minute", hint=f"from 1 to {PER_MINUTE_MAX}")
    tenants.refuse_closed(campus, await tenants.need_tenant(conn, campus))
    if await conn.scalar(select(api_token.c.name).where(*_is(campus, name))) is not None:
        raise CatalogueError(f"{campus} has a token {name} already", hint="take another name: revoked ones stay listed")
    secret = secrets.token_hex(SECRET_BYTES)
    row: dict[str, Any] = {
        "campus": campus,
        "name": name,
        "digest": _digest(secret),
        "scopes": " ".join(sorted(set(scopes))),
    }
    await conn.execute(
        insert(api_token),
        row | {"created_at": now, "created_by": by, "expires_at": expires_at, "per_minute": per_minute},
    )
    return f"{campus}.{name}.{secret}"


async def revoke(conn: AsyncConnection, campus: str, name: str, *, now: int) -> None:
    """Let a token open nothing from now on; again changes nothing.

    Raises:
        CatalogueError: there is no such token.
    """
    if await conn.scalar(select(api_token.c.name).where(*_is(campus, name))) is None:
        raise CatalogueError(f"{campus} has no token {name}", hint=f"rewards-catalogue token list {campus} names them")
    await conn.execute(
        update(api_token).where(*_is(campus, name), api_token.c.revoked_at.is_(None)).values(revoked_at=now)
    )


async def listed(conn: AsyncConnection, campus: str, *, now: int) -> list[dict[str, Any]]:
    """{name, scopes, state, created_at, created_by, expires_at, per_minute} of each token of a campus, by name."""
    rows = await conn.execute(select(api_token).where(api_token.c.campus == campus).order_by(api_token.c.name))
    return [
        {
            "name": row.name,
            "scopes": row.scopes.split(),
            "state": "revoked" if row.revoked_at is not None else "expired" if row.expires_at <= now else "active",
            "created_at": row.created_at,
            "created_by": row.created_by,
            "expires_at": row.expires_at,
            "per_minute": row.per_minute,
        }
        for row in rows
    ]


async def prove(conn: AsyncConnection, text: str, *, now: int) -> Reader:
    """Whose token this is.

    Raises:
        RefusedError: nobody's, or no longer; or the campus is suspended or closed.
    """
    parts = text.rsplit(".", _PARTS - 1)
    if len(text) > TOKEN_CHARS_MAX or len(parts) != _PARTS or not text.isprintable():
        raise _unknown()
    campus, name, secret = parts
    joined = select(api_token, tenant.c.state).join(tenant, tenant.c.campus == api_token.c.campus)
    row = (await conn.execute(joined.where(*_is(campus, name)))).first()
    same = hmac.compare_digest(_digest(secret), bytes(row.digest) if row is not None else _NOBODY)
    if row is None or not same or row.revoked_at is not None or row.expires_at <= now:
        raise _unknown()
    tenants.need_active(campus, row.state)
    return Reader(campus=campus, name=name, scopes=frozenset(row.scopes.split()), per_minute=row.per_minute)


def _unknown() -> RefusedError:
    return RefusedError(401, "token", "this token is not known, over, or revoked: ask the catalogue's operator")


def _is(campus: str, name: str) -> tuple[Any, Any]:
    return api_token.c.campus == campus, api_token.c.name == name


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
