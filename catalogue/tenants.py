"""Campuses, their agents and the agents' keys. Every function works inside the caller's transaction."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.acts import EVERYWHERE
from catalogue.errors import CatalogueError, RefusedError
from catalogue.schema import agent, agent_key, enrolment, tenant
from wire import canonical, chain
from wire.enrolment import EnrolRequest, Rotation, Token
from wire.keys import fingerprint

CLOSED = "closed"
"""The state of a campus that nothing comes from any more, for good."""

# Asked with every request, and so put together once.
_SENDER = (
    select(
        tenant.c.environment,
        agent_key.c.public,
        tenant.c.state.label("tenant_state"),
        agent.c.state.label("agent_state"),
        agent_key.c.state.label("key_state"),
        agent_key.c.replaced_by,
        agent_key.c.epoch.label("key_epoch"),
    )
    .join(agent, (agent.c.campus == agent_key.c.campus) & (agent.c.agent == agent_key.c.agent))
    .join(tenant, tenant.c.campus == agent_key.c.campus)
    .where(
        agent_key.c.campus == bindparam("campus"),
        agent_key.c.agent == bindparam("agent"),
        agent_key.c.fingerprint == bindparam("key"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """An agent whose key was found; nothing is proven yet."""

    campus: str
    agent: str
    environment: str
    public: bytes
    tenant_state: str
    agent_state: str
    key_state: str
    replaced_by: str | None
    key_epoch: int = 1
    """The first epoch that its key signs."""
    skew_s: int = 0
    """How far its clock is ahead of ours, as its signature says."""

    def check(self) -> None:
        """Refuse what an operator has stopped.

        Raises:
            RefusedError: the campus is suspended or closed, the agent revoked, or the key retired.
        """
        if self.key_state != "active":
            raise RefusedError(
                401, "key-retired", "this key was replaced: run rewards-agent key rotate to take the new one"
            )
        refuse_revoked(self.agent, self.agent_state)
        need_active(self.campus, self.tenant_state)


def refuse_revoked(name: str, state: str) -> None:
    """Refuse what an agent may not have that was shut out.

    Raises:
        RefusedError: it was revoked.
    """
    if state != "active":
        raise RefusedError(403, "revoked", f"agent {name} was revoked: make a new key and enrol it with a new token")


def need_active(campus: str, state: str) -> None:
    """Refuse, with its state as the code, what a campus that is not active may not have.

    Raises:
        RefusedError: it is suspended or closed.
    """
    refuse_closed(campus, state)
    if state != "active":
        raise RefusedError(403, state, f"campus {campus} is {state} here")


def refuse_closed(campus: str, state: str) -> None:
    """Refuse what no campus may have that was closed.

    Raises:
        RefusedError: it was.
    """
    if state == CLOSED:
        raise RefusedError(403, CLOSED, f"campus {campus} was closed here for good")


async def add_tenant(conn: AsyncConnection, campus: str, *, title: str, environment: str, now: int) -> None:
    """Make a campus known.

    Raises:
        CatalogueError: the name cannot travel, or is taken.
    """
    if not canonical.CAMPUS.fullmatch(campus):
        raise CatalogueError(f"{campus!r} cannot be a campus", hint="letters, digits, '.', '_' and '-', at most 63")
    there = await _one(conn, select(tenant.c.state).where(tenant.c.campus == campus))
    if there is not None:
        again = "its books are kept under its name: take another" if there.state == CLOSED else ""
        raise CatalogueError(
            f"campus {campus} is there already", hint=again or f"rewards-catalogue tenant token {campus}"
        )
    row = {"campus": campus, "title": title, "environment": environment, "state": "active", "created_at": now}
    await conn.execute(insert(tenant), row)


async def tenants(conn: AsyncConnection) -> list[dict[str, Any]]:
    """Every campus with its state and how many active agents it has, by name."""
    active = (
        select(func.count())
        .select_from(agent)
        .where(agent.c.campus == tenant.c.campus, agent.c.state == "active")
        .scalar_subquery()
    )
    rows = await conn.execute(select(tenant, active.label("agents")).order_by(tenant.c.campus))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


async def agents(conn: AsyncConnection, campus: str) -> list[dict[str, Any]]:
    """Every agent of a campus and where it stands, by name."""
    await need_tenant(conn, campus)
    columns = (agent.c.agent, agent.c.state, agent.c.epoch, agent.c.seq, agent.c.heard_at, agent.c.skew_s)
    rows = await conn.execute(select(*columns).where(agent.c.campus == campus).order_by(agent.c.agent))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001


async def need_tenant(conn: AsyncConnection, campus: str) -> str:
    """See that a campus is known; its state. Locks nothing: campuses never go.

    Raises:
        CatalogueError: it is not.
    """
    return str(_known(campus, await _one(conn, select(tenant.c.state).where(tenant.c.campus == campus))).state)


async def need_owner(conn: AsyncConnection, owner: str) -> None:
    """See that who is to own something is a known campus, or all of them (`EVERYWHERE`).

    Raises:
        CatalogueError: it is not.
    """
    if owner != EVERYWHERE:
        await need_tenant(conn, owner)


async def hold_tenant(conn: AsyncConnection, campus: str) -> str:
    """Lock a campus against others who hold it until the transaction ends; its state. Its books go on meanwhile.

    Raises:
        CatalogueError: it is not known.
    """
    held = select(tenant.c.state).where(tenant.c.campus == campus).with_for_update(key_share=True)
    return str(_known(campus, await _one(conn, held)).state)


def _known(campus: str, row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise CatalogueError(f"there is no campus {campus}", hint="see: rewards-catalogue tenant list")
    return row


async def set_tenant_state(conn: AsyncConnection, campus: str, state: str) -> None:
    """Suspend a campus, let it go on, or close it.

    Raises:
        CatalogueError: there is no such campus.
        RefusedError: it was closed, which is for good.
    """
    was = await hold_tenant(conn, campus)
    if was == state:
        return
    refuse_closed(campus, was)
    await conn.execute(update(tenant).where(tenant.c.campus == campus).values(state=state))


async def new_token(
    conn: AsyncConnection, campus: str, catalogue_fingerprint: str, *, expires_at: int, name: str | None = None
) -> Token:
    """A one-time token, for a new agent or for the agent ``name`` that lost its key; only its digest is kept.

    Raises:
        CatalogueError: there is no such campus or agent.
        RefusedError: the campus is closed.
    """
    refuse_closed(campus, await need_tenant(conn, campus))
    if name is not None and not await _one(
        conn, select(agent.c.agent).where(agent.c.campus == campus, agent.c.agent == name)
    ):
        raise CatalogueError(f"campus {campus} has no agent {name}", hint=f"see: rewards-catalogue agent list {campus}")
    token = Token.new(catalogue_fingerprint)
    row = {"campus": campus, "token_digest": token.digest(), "expires_at": expires_at, "agent": name}
    await conn.execute(insert(enrolment), row)
    return token


class Enrolled(NamedTuple):
    """What became of an enrolment: the agent's name, and the first epoch that the key signs."""

    agent: str
    epoch: int


async def add_agent(conn: AsyncConnection, campus: str, public: bytes, *, now: int) -> str:
    """Make a new agent of a known campus and its key known; returns the agent's name."""
    count = await conn.scalar(select(func.count()).select_from(agent).where(agent.c.campus == campus))
    name = f"agent-{(count or 0) + 1}"
    row: dict[str, Any] = {"campus": campus, "agent": name, "state": "active", "epoch": 1, "seq": 0}
    await conn.execute(insert(agent), row | {"head": chain.GENESIS, "created_at": now})
    await _add_key(conn, campus, name, public, now, epoch=1)
    return name


async def revoke_agent(conn: AsyncConnection, campus: str, name: str) -> None:
    """Take nothing more from an agent; what it sent stays.

    Raises:
        CatalogueError: there is no such agent.
    """
    found = update(agent).where(agent.c.campus == campus, agent.c.agent == name).values(state="revoked")
    if not (await conn.execute(found)).rowcount:
        raise CatalogueError(f"campus {campus} has no agent {name}", hint=f"see: rewards-catalogue agent list {campus}")


async def find_sender(conn: AsyncConnection, campus: str, name: str, key: str) -> Sender | None:
    """The agent whose key a message names, or None."""
    row = (await conn.execute(_SENDER, {"campus": campus, "agent": name, "key": key})).first()
    return None if row is None else Sender(campus=campus, agent=name, **row._mapping)  # noqa: SLF001


async def enrol(conn: AsyncConnection, request: EnrolRequest, *, now: int) -> Enrolled:
    """Bind the public key of a proven request to its campus; the same key again gets the same answer while it is good.

    A key in place of one that was lost begins the agent's next epoch: nothing of the present one is taken from it.

    Raises:
        RefusedError: the token is unknown, used up or expired, the campus is suspended or of another environment; or
            the key that used the token was replaced since, or its agent revoked.
    """
    asked = Token(secret=request.secret, catalogue_fingerprint="").digest()
    mine = (enrolment.c.campus == request.campus, enrolment.c.token_digest == asked)
    row = await _one(conn, select(enrolment).where(*mine).with_for_update())
    if row is None or not hmac.compare_digest(row.token_digest, asked):
        raise RefusedError(403, "token", f"this token does not enrol an agent of {request.campus}")
    if row.used_at is not None:
        if row.fingerprint == fingerprint(request.public):
            return await _enrolled(conn, request, str(row.agent))
        raise RefusedError(403, "token", "this token was used already: ask for a new one")
    if row.expires_at < now:
        raise RefusedError(403, "token", "this token has expired: ask for a new one")
    await _check_tenant(conn, request)
    if row.agent is None:
        name, epoch = await add_agent(conn, request.campus, request.public, now=now), 1
    else:
        name = str(row.agent)
        known = (agent.c.campus == request.campus, agent.c.agent == name)
        found = await conn.execute(select(agent.c.epoch).where(*known).with_for_update())
        epoch = int(found.scalar_one()) + 1
        await _replace_keys(conn, request.campus, name, request.public, now, epoch=epoch)
        # The operator gave a token for this very agent: a revocation was meant for the key it had.
        await conn.execute(update(agent).where(*known).values(state="active"))
    used = {"agent": name, "fingerprint": fingerprint(request.public), "used_at": now}
    await conn.execute(update(enrolment).where(*mine).values(used))
    return Enrolled(name, epoch)


async def rotate(conn: AsyncConnection, sender: Sender, rotation: Rotation, *, now: int) -> None:
    """Replace the key a proven request was signed with; the same request again changes nothing.

    Raises:
        RefusedError: the new key is not proven, is for another agent, or the old one was replaced by another.
    """
    if (rotation.campus, rotation.agent) != (sender.campus, sender.agent) or not rotation.proven():
        raise RefusedError(403, "rotation", "the new key is not proven for this agent")
    if sender.key_state != "active" and sender.replaced_by == fingerprint(rotation.public):
        return
    sender.check()
    await _replace_keys(conn, sender.campus, sender.agent, rotation.public, now, epoch=sender.key_epoch)


async def _check_tenant(conn: AsyncConnection, request: EnrolRequest) -> None:
    held = select(tenant).where(tenant.c.campus == request.campus).with_for_update(key_share=True)
    row = _known(request.campus, await _one(conn, held))
    need_active(request.campus, row.state)
    if row.environment != request.environment:
        raise RefusedError(
            403, "environment", f"campus {request.campus} is {row.environment} here, the agent is {request.environment}"
        )


async def _enrolled(conn: AsyncConnection, request: EnrolRequest, name: str) -> Enrolled:
    """What was answered to a key that comes again."""
    sender = await find_sender(conn, request.campus, name, fingerprint(request.public))
    if sender is None:
        raise RefusedError(403, "token", "this token was used already: ask for a new one")
    sender.check()
    return Enrolled(name, sender.key_epoch)


async def _replace_keys(conn: AsyncConnection, campus: str, name: str, public: bytes, now: int, *, epoch: int) -> None:
    """From here on only ``public`` signs for this agent, nothing of before ``epoch``."""
    new = fingerprint(public)
    if await find_sender(conn, campus, name, new):
        raise RefusedError(403, "rotation", "this key was in use before: make a new one")
    mine = (agent_key.c.campus == campus, agent_key.c.agent == name, agent_key.c.state == "active")
    await conn.execute(update(agent_key).where(*mine).values(state="retired", replaced_by=new))
    await _add_key(conn, campus, name, public, now, epoch=epoch)


async def _add_key(conn: AsyncConnection, campus: str, name: str, public: bytes, now: int, *, epoch: int) -> None:
    row: dict[str, Any] = {"campus": campus, "agent": name, "fingerprint": fingerprint(public), "public": public}
    await conn.execute(insert(agent_key), row | {"state": "active", "created_at": now, "epoch": epoch})


async def _one(conn: AsyncConnection, statement: Any) -> Row[Any] | None:
    return (await conn.execute(statement)).first()
