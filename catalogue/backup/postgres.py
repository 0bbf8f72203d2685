"""PostgreSQL: copied by its own pg_dump at the moment that is proven, put back by pg_restore into an empty database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import URL, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.backup.holding import Hold, held
from catalogue.errors import ConfigError, UnavailableError
from catalogue.store import Store

SAID_CHARS_MAX = 300
TOOLS = "install PostgreSQL's client programs, of the server's version or newer: apt-get install postgresql-client"
EMPTY = (
    "nothing is overwritten: make a database and name it in [database] url:"
    " createdb --owner rewards --template template0 --encoding UTF8 --locale C rewards2"
)


class Dump:
    """Copies of a PostgreSQL database, in its custom format."""

    file = "catalogue.dump"

    async def dump(self, conn: AsyncConnection, url: URL, to: Path) -> None:
        """Copy the very moment that ``conn`` sees, and read the copy to its end.

        Raises:
            ConfigError: the programs are not there, or may not read everything.
        """
        moment = await conn.scalar(select(func.pg_export_snapshot()))
        to.touch(mode=0o600)  # noqa: ASYNC240 - one name of a file
        # Who is erased later must be in no copy, and agents tell anew what their learners are called.
        left_out = [f"--exclude-table-data={table.name}" for table in schema.UNCOPIED]
        await _run("pg_dump", "--format=custom", f"--snapshot={moment}", f"--file={to}", *left_out, url=url)
        await _run("pg_restore", f"--file={os.devnull}", str(to))

    async def load(self, copy: Path, url: URL, aside: Path, hold: Hold) -> Path | None:
        """Fill an empty database, in one transaction.

        Raises:
            ConfigError: it is not empty, or the programs are not there.
        """
        del aside
        await require_empty(url)
        how = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
        await _run("pg_restore", *how, f"--dbname={url.database}", str(copy), url=url)
        await held(url, hold)
        return None


async def require_empty(url: URL) -> None:
    """See that nothing would be overwritten.

    Raises:
        ConfigError: there are tables in it.
    """
    store = await Store.open(url, check_schema=False)
    try:
        if await store.has_tables():
            place = url.render_as_string(hide_password=True)
            raise ConfigError(f"{place} has tables in it already", hint=EMPTY)
    finally:
        await store.close()


async def _run(program: str, *words: str, url: URL | None = None) -> None:
    """Run one of PostgreSQL's programs to its end; it is told where, and never on its command line, who.

    Raises:
        ConfigError: it is not there.
        UnavailableError: it cannot be started, or ended with an error.
    """
    found = shutil.which(program)
    if found is None:
        raise ConfigError(f"there is no {program} on this machine", hint=TOOLS)
    try:
        process = await asyncio.create_subprocess_exec(
            found,
            *words,
            env=_environment(url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as exc:
        raise UnavailableError(f"{program} cannot be started: {exc.strerror}") from None
    try:
        _, told = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if process.returncode:
        said = " ".join(told.decode("utf-8", "replace").split())[:SAID_CHARS_MAX]
        hint = TOOLS if "version" in said else "mend what it says, then try again"
        raise UnavailableError(f"{program} ended with {process.returncode}: {said}", hint=hint)


def _environment(url: URL | None) -> dict[str, str]:
    """Where the database is and who asks, as libpq reads it."""
    given = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"LC_ALL": "C"}
    if url is None:
        return given
    asked: dict[str, Any] = {
        "PGHOST": url.host or url.query.get("host"),
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGSSLMODE": url.query.get("ssl") or url.query.get("sslmode"),
    }
    return given | {name: str(value) for name, value in asked.items() if value is not None}
