"""`doctor`: what is wrong at the centre, and what to do."""

from __future__ import annotations

import json
import shlex
import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from catalogue.cli.common import Answer, Centre, now
from machine.reaching import names
from machine.words import counted

if TYPE_CHECKING:
    from catalogue.config import Config
    from catalogue.health.findings import Finding

FREE_BYTES_MIN = 1_000_000_000
"""Below this much room on the disk of the data directory somebody should look."""
ASKED_S_MAX = 5.0
"""How long a server may take to say how it is, in seconds."""
ANSWER_BYTES_MAX = 100_000
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SIGNS = {"ok": "ok  ", "look": "look", "fail": "FAIL"}


def doctor(centre: Centre, answer: Answer) -> None:
    """Look at everything the catalogue depends on, and at what waits for somebody. Changes nothing.

    Exit codes: 0 nothing failed (a `look` is no failure); 1 the machine or the network must cure it; 2 an edit must; 3
    somebody must look at books that do not agree.

    Example: rewards-catalogue doctor --json
    """
    from catalogue.errors import CatalogueError
    from catalogue.health.findings import failed

    try:
        found = centre.settings
    except CatalogueError as exc:
        if not answer.as_json:
            raise
        findings = [failed("configuration", "configuration-invalid", exc)]
    else:
        findings = [*_of_files(found), *_of_machine(found), *names.run(_of_database(found))]
    counts = Counter(one.level for one in findings)
    looked = f"{counted(len(findings), 'thing')} looked at"
    summary = f"{looked}: {counts['ok']} ok, {counts['look']} to look at, {counts['fail']} failed"
    rows = [one.told() for one in findings]
    answer.show(rows, lines=lambda: [*(line for one in findings for line in _lines(one)), summary])
    code = max((one.exit_code for one in findings if one.level == "fail"), default=0)
    if code:
        raise typer.Exit(code)


def _lines(one: Finding) -> Iterator[str]:
    code = f" [{one.code}]" if one.code else ""
    yield f"{_SIGNS[one.level]}  {one.about}: {one.found}{code}"
    if one.do:
        yield f"      → {one.do}"


def _of_files(config: Config) -> Iterator[Finding]:
    """Whether others on the machine may look at what is the catalogue's alone."""
    from catalogue.health.findings import Finding

    path = config.data_dir
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0
    if mode & _FOR_OTHERS:
        found = f"other users of this machine may look into {path} (mode {mode:04o}): it holds wallets and keys"
        do = f"chmod 700 {shlex.quote(str(path))}"
        yield Finding(about="files", level="look", code="data-directory-open", found=found, do=do)


def _of_machine(config: Config) -> Iterator[Finding]:
    from catalogue.errors import ConfigError
    from catalogue.health import findings
    from catalogue.server import load_key

    try:
        yield findings.well("key", load_key(config).fingerprint)
    except ConfigError as exc:
        yield findings.failed("key", "key-unusable", exc)
    free = shutil.disk_usage(config.data_dir).free if config.data_dir.exists() else 0
    room = f"{free / 1e9:.1f} GB are free where {config.data_dir} lies"
    if free < FREE_BYTES_MIN:
        yield findings.look_at("disk", "disk-nearly-full", room)
    else:
        yield findings.well("disk", room)
    if config.status_listen is not None:
        yield _of_server(*config.status_listen)


def _of_server(host: str, port: int) -> Finding:
    """What a server that runs here says of itself."""
    from http.client import HTTPConnection, HTTPException

    from catalogue.health import findings
    from catalogue.health.findings import Finding

    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened at
    connection = HTTPConnection(here, port, timeout=ASKED_S_MAX)
    try:
        connection.request("GET", "/readyz")
        said = json.loads(connection.getresponse().read(ANSWER_BYTES_MAX))
        reasons = [str(one) for one in said["reasons"]]
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return findings.look_at("server", "server-away", f"nobody who could be understood answers at {here}:{port}")
    finally:
        connection.close()
    if reasons:
        return Finding(about="server", level="fail", code="server-unready", found="; ".join(reasons))
    return findings.well("server", f"ready, says {here}:{port}")


async def _of_database(config: Config) -> list[Finding]:
    from sqlalchemy.exc import SQLAlchemyError

    from catalogue.errors import CatalogueError, ConfigError
    from catalogue.health import figures, findings
    from catalogue.redemption.desk import Desk
    from catalogue.redemption.vault import Vault
    from catalogue.server.vouchers import opened
    from catalogue.store import Store, unusable

    try:
        store = await Store.open(config.database)
    except CatalogueError as exc:
        return [findings.failed("database", "database-unusable", exc)]
    told = [findings.well("database", config.database.render_as_string(hide_password=True))]
    try:
        try:
            await store.stands()
        except ConfigError as exc:
            told = [findings.look_at("database", "database-read-only", exc.message)]
        async with store.reading() as conn:
            books, places = await figures.look(conn, now=now()), await figures.places(conn, now=now())
        told += findings.of_books(books, now=now(), backup_within_s=config.backup_within_s, places=places)
        await opened(Desk(store, Vault.load(config.vouchers_file)))
        told.append(findings.well("vouchers", "can be opened"))
    except CatalogueError as exc:
        told.append(findings.failed("vouchers", "vouchers-unreadable", exc))
    except (SQLAlchemyError, OSError) as exc:
        place = config.database.render_as_string(hide_password=True)
        told.append(findings.failed("database", "database-unusable", unusable(place, exc)))
    finally:
        await store.close()
    return told
