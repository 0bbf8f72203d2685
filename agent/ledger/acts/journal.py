"""What administrators have this agent do: written down before it is done, and then what it came to.

A row names the command, who asked, and numbers and names of things; never a learner, a reason or a secret: those stand
where they belong, and go where their person goes.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from agent.clock import Clock
from agent.errors import ConfigError, ConstraintError, InvalidInputError
from agent.ledger.writer import Writer

Operation = Callable[..., Awaitable[Any]]

ASKING: ContextVar[str] = ContextVar("asking", default="")
"""The account that a command works under, where it asks a running agent."""

ACTS: Mapping[str, tuple[str, ...]] = {
    "allowance.return": ("key",),
    "badge.assign": ("badge",),
    "badge.revoke": ("badge",),
    "badge.settle": (),
    "callback.skip": ("callback",),
    "catalogue.enrol": (),
    "challenge.enrol": ("challenge", "withdraw"),
    "events.replay": ("between", "rules", "compensate"),
    "events.requeue": ("source", "sorts", "every"),
    "key.rotate": (),
    "kudos.does": ("act", "id", "do"),
    "learner.erase.begin": (),
    "learner.erase.finish": (),
    "learner.merge": (),
    "learner.opt-in": ("how",),
    "learner.opt-out": (),
    "learner.readmit": (),
    "learner.unlink": (),
    "ledger.adjust": ("currency", "amount", "lower_level"),
    "ledger.rebuild": (),
    "ledger.reverse": ("seq",),
    "ledger.reverse-rule": ("rule", "since", "until"),
    "redemption.cancel": ("name",),
    "redemption.use": (),
    "review.apply": (),
    "review.approve": ("decisions", "amounts"),
    "review.reject": ("decisions",),
    "rules.backfill": ("rule", "since", "until", "source", "compensate", "version"),
    "rules.reload": (),
    "source.accept-rewind": ("source",),
}
"""Command → those of its arguments that are written down. What learners ask for, and imports, stand elsewhere."""

LISTED_MAX = 100
"""Of a list that is an argument, so many are written down."""
CHARS_MAX = 300
"""Of a text that is an argument, or names who asked, so much is written down."""

DONE = "done"
_REFUSALS = (InvalidInputError, ConfigError, ConstraintError)
"""Errors after which nothing is changed; of others (no line, a full disk) nobody knows how far it came."""
_ONLY_LOOKS = ("preview", "dry_run", "look")
_LOOKING = frozenset({"list", "show", "stats", "trends"})
"""What of kudos only looks."""

_BEGUN = "INSERT INTO act (at, what, said_by, account, about) VALUES (?, ?, ?, ?, ?) RETURNING act_no"
_ENDED = "UPDATE act SET outcome = ?, ended_at = ? WHERE act_no = ?"
_NOTED = "INSERT INTO act (at, what, said_by, account, about, outcome, ended_at) VALUES (?, ?, '', ?, ?, 'done', ?)"
_MODE = "SELECT about ->> 'mode' FROM act WHERE what = 'agent.mode' ORDER BY act_no DESC LIMIT 1"
_LISTED = """
SELECT act_no, at, what, said_by, account, about, outcome, ended_at FROM act
WHERE at >= ? AND at < ? AND (? = '' OR what = ? OR what LIKE ? || '.%') AND (? = '' OR said_by = ? OR account = ?)
ORDER BY act_no DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One row. Times are seconds UTC; ``by`` is the name that was given, ``account`` that of the operating system.

    ``outcome`` is `done`, `refused` (nothing was changed), or empty where it is not known: the agent ended, or it
    failed.
    """

    act_no: int
    at: int
    what: str
    by: str
    account: str
    about: Mapping[str, Any]
    outcome: str
    ended_at: int | None


class Journal:
    """Writes acts down."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    def kept(self, command: str, operation: Operation) -> Operation:
        """``operation``, written down where it is an act; what only looks, or goes on with the next page, is none."""
        names = ACTS.get(command)
        if names is None:
            return operation

        async def acting(**arguments: Any) -> Any:
            looks = any(arguments.get(key) for key in _ONLY_LOOKS) or arguments.get("act") in _LOOKING
            if looks or not arguments.get("really", True):
                return await operation(**arguments)
            if arguments.get("cursor") or arguments.get("after"):
                return await operation(**arguments)
            number = await self._begun(command, arguments, names)
            try:
                result = await operation(**arguments)
            except _REFUSALS:
                await self._ended(number, "refused")
                raise
            await self._ended(number, DONE)
            return result

        return acting

    async def mode(self, mode: str) -> None:
        """Write down that the agent works in another mode than before: ``live`` or ``shadow``."""

        async def unit(connection: aiosqlite.Connection) -> None:
            rows = list(await connection.execute_fetchall(_MODE))
            was = rows[0][0] if rows else ""
            if was != mode:
                await note(connection, "agent.mode", {"mode": mode, "was": was}, self._clock.now())

        await self._writer.run(unit)

    async def _begun(self, command: str, arguments: Mapping[str, Any], names: tuple[str, ...]) -> int:
        told = {name: _short(arguments[name]) for name in names if arguments.get(name) not in (None, "", [], ())}
        row = (self._clock.now(), command, _short(str(arguments.get("by") or "")), account(), _json(told))

        async def unit(connection: aiosqlite.Connection) -> int:
            ((number,),) = await connection.execute_fetchall(_BEGUN, row)
            return int(number)

        return await self._writer.run(unit)

    async def _ended(self, number: int, outcome: str) -> None:
        async def unit(connection: aiosqlite.Connection) -> None:
            await connection.execute(_ENDED, (outcome, self._clock.now(), number))

        await self._writer.run(unit)


async def note(connection: aiosqlite.Connection, what: str, about: Mapping[str, Any], now: int) -> None:
    """Write down what is done already, inside one of the writer's units."""
    await connection.execute(_NOTED, (now, what, account(), _json(about), now))


def note_in(connection: sqlite3.Connection, what: str, about: Mapping[str, Any], now: int) -> bool:
    """`note` in a file that is about to become a ledger; False where it is of before acts were written down."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'act'").fetchone():
        return False
    connection.execute(_NOTED, (now, what, account(), _json(about), now))
    return True


def noted_in(path: Path, what: str, about: Mapping[str, Any], now: int) -> bool:
    """The same in a file that nobody has open; no disk can fill up after it is in its place."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        return note_in(connection, what, about, now)


async def noted(data_dir: Path, what: str, about: Mapping[str, Any], now: int) -> None:
    """`note` in the ledger of a directory that no agent works on.

    Raises:
        TransientError: an agent works on it, the disk is full.
        IntegrityError: the ledger is damaged or newer than this program.
    """
    writer = await Writer.open(data_dir)
    try:
        await writer.run(partial(note, what=what, about=about, now=now))
    finally:
        await writer.close()


def listed(
    connection: sqlite3.Connection, *, since: int, until: int = 2**62, what: str, by: str, newest: int
) -> list[Act]:
    """The newest acts, newest first; ``what`` is a command or the first word of several, ``by`` a name or account.

    ``since`` and ``until`` (excluded) are seconds UTC.
    """
    rows = connection.execute(_LISTED, (since, until, what, what, what, by, by, by, newest)).fetchall()
    return [
        Act(
            act_no=number,
            at=at,
            what=command,
            by=said_by,
            account=name,
            about=json.loads(about),
            outcome=outcome,
            ended_at=ended_at,
        )
        for number, at, command, said_by, name, about, outcome, ended_at in rows
    ]


def account() -> str:
    """The account of the operating system that asks: of the command, also behind sudo and through the socket."""
    if asking := ASKING.get() or os.environ.get("SUDO_USER", ""):
        return asking
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a number without a name: a container
        return f"user {os.getuid()}"


def _short(value: Any) -> Any:
    """What of an argument is written down. It was checked by nobody yet: whatever it is, the operation is to refuse."""
    if isinstance(value, str):
        return value[:CHARS_MAX].encode(errors="replace").decode()
    if isinstance(value, list | tuple):
        more = [f"and {len(value) - LISTED_MAX} more"] if len(value) > LISTED_MAX else []
        return [*map(_short, value[:LISTED_MAX]), *more]
    return value


def _json(about: Mapping[str, Any]) -> str:
    return json.dumps(dict(about), ensure_ascii=False, separators=(",", ":"))
