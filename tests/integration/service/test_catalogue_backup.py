"""Copies of the catalogue: taken while agents deliver, proven, rotated, put back, refused where they do not hold."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import make_url

from catalogue.app import wall_clock
from catalogue.health import figures
from catalogue.store import Store
from tests import programs
from tests.contract.catalogues import Hand
from tests.integration.service.managed import Managed, managed
from tests.integration.test_catalogue_process import a_token, command
from tests.servers import Postgres, PostgresDatabase
from tests.wire_builders import CAMPUS, an_entry
from wire import keys
from wire.people.names import Named

WALLET = "learner1"


def copies(to: Path) -> list[Path]:
    return sorted(path for path in to.iterdir() if not path.name.startswith("."))


def backup(it: Managed, to: Path, *, keep: int = 5) -> dict[str, Any]:
    words = ("backup", "--to", to, "--keep", str(keep), "--config", it.config, "--json")
    return cast("dict[str, Any]", json.loads(command(*words).stdout))


def balance(it: Managed) -> int:
    shown = json.loads(command("wallet", "show", CAMPUS, WALLET, "--config", it.config, "--json").stdout)
    return int(shown[0]["balance"])


async def an_agent(it: Managed) -> Hand:
    key = keys.load(it.config.parent / "catalogue.ed25519")
    hand = Hand(cast("Any", SimpleNamespace(url=it.served.url, key=key)), it.config.parent)
    await hand.enrol(await asyncio.to_thread(a_token, it.config))
    return hand


async def deliver(hand: Hand, first: int) -> None:
    """Twenty more for the same learner."""
    await hand.deliver([an_entry(seq, learner=WALLET) for seq in range(first, first + 20)])


async def unheard(books: Path) -> int:
    """Agents that were not heard since the copy was put back."""
    store = await Store.open(make_url(f"sqlite:///{books}"))
    try:
        async with store.reading() as conn:
            return (await figures.look(conn, now=wall_clock())).unheard
    finally:
        await store.close()


@pytest.fixture
def other_database(postgres: Postgres) -> Iterator[PostgresDatabase]:
    made = postgres.create_database()
    yield made
    made.drop()


async def test_a_copy_that_was_taken_while_an_agent_delivers_brings_back_every_wallet(tmp_path: Path) -> None:
    to = tmp_path / "copies"
    with managed(tmp_path / "c") as it:
        hand = await an_agent(it)
        await deliver(hand, 1)
        books = it.config.parent / "catalogue.db"
        with closing(sqlite3.connect(books)) as connection, connection:
            connection.execute("INSERT INTO code VALUES (?, ?, 'card', x'01', x'02', NULL, 1, NULL)", (CAMPUS, CAMPUS))
        made = await asyncio.to_thread(backup, it, to)
        assert (made["entries"], made["wallets"], made["kept"]) == (20, 1, 1)
        assert it.figures()["rewards_catalogue_backup_timestamp_seconds"] > 0
        await deliver(hand, 21)
        assert await asyncio.to_thread(balance, it) == 400
        in_use = await asyncio.to_thread(command, "restore", made["backup"], "--yes", "--config", it.config, code=2)
        assert "stop the service first" in in_use.stderr
        await asyncio.to_thread(it.served.end, signal.SIGTERM)
        putting = ("restore", made["backup"], "--yes", "--config", it.config, "--json")
        told = json.loads((await asyncio.to_thread(command, *putting)).stdout)
        assert Path(told["set_aside"], "catalogue.db").is_file()
        assert any("partner reconcile" in remark for remark in told["remarks"])
        assert any(remark.startswith("1 codes of pools are held back") for remark in told["remarks"])
        with closing(sqlite3.connect(books)) as connection, connection:
            connection.execute("UPDATE agent SET heard_at = heard_at - 100")
            assert connection.execute("SELECT redemption FROM code").fetchall() == [("-",)], "it may be somebody's"
        assert await asyncio.to_thread(balance, it) == 200
        assert await unheard(books) == 1, "what it erased since is known again"
        await asyncio.to_thread(it.start)
        stand = await hand.stand()
        assert stand.seq == 20, "the agent learns where it stands, and sends the rest again"
        hand.seq, hand.head = stand.seq, stand.head
        assert await unheard(books) == 0, "who only asks was heard"
        await deliver(hand, 21)
        assert await asyncio.to_thread(balance, it) == 400
        await hand.client.close()
        words = ("audit", "list", "--act", "database", "--config", it.config, "--json")
        acts = json.loads((await asyncio.to_thread(command, *words)).stdout)
        assert [act["act"] for act in acts] == ["database.restore", "database.upgrade"]


def test_copies_beyond_those_kept_go_and_neither_changed_files_nor_books_that_do_not_agree_count(
    tmp_path: Path,
) -> None:
    it, to = Managed(tmp_path, ""), tmp_path / "copies"
    it.close()
    command("init", "--config", it.config)
    made = [backup(it, to, keep=2)["backup"] for _ in range(3)]
    assert [str(path) for path in copies(to)] == made[1:]
    changed = copies(to)[0] / "catalogue.db"
    for path in (changed, tmp_path / "catalogue.db"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("INSERT INTO tenant VALUES (?, '', 'production', 'active', 1)", (CAMPUS,))
            connection.execute("INSERT INTO wallet VALUES (?, 'x', 'points', 5, 5, 0, NULL, 0)", (CAMPUS,))
            connection.commit()
    refused = command("restore", changed.parent, "--yes", "--config", it.config, code=3)
    assert "is not the file that was backed up" in refused.stderr
    told = json.loads((copies(to)[0] / "backup.json").read_text())
    for files, said in (([], "backup.json cannot be read"), ({}, "catalogue.db is missing")):
        (copies(to)[0] / "backup.json").write_text(json.dumps(told | {"files": files}))
        refused = command("restore", copies(to)[0], "--yes", "--config", it.config, code=3)
        assert said in refused.stderr, "and no traceback"
    several = command("restore", to, "--yes", "--config", it.config, code=3)
    assert f"such as its newest: {made[2]}" in several.stderr
    assert not list(tmp_path.glob("set-aside-*"))
    untrue = command("backup", "--to", to, "--config", it.config, code=3)
    assert "the books do not agree, so their backup does not count" in untrue.stderr
    assert [str(path) for path in sorted(to.iterdir())] == made[1:], "nothing of it stays, and the older ones do"


async def test_a_dump_of_postgresql_fills_a_fresh_database_that_verifies(
    tmp_path: Path, postgres_database: PostgresDatabase, other_database: PostgresDatabase
) -> None:
    to = tmp_path / "copies"
    with managed(tmp_path / "c", database=postgres_database.dsn) as it:
        hand = await an_agent(it)
        await deliver(hand, 1)
        delivering = asyncio.create_task(deliver(hand, 21))
        made = await asyncio.to_thread(backup, it, to)
        await delivering
        await hand.client.close()
        acts = ("audit", "list", "--act", "database.backup", "--config", it.config, "--json")
        (act,) = json.loads((await asyncio.to_thread(command, *acts)).stdout)
        assert act["after"]["database.backup"]["place"] == made["backup"]
        assert made["entries"] in {20, 40}
        assert made["files"] == ["catalogue.dump"]
        putting = ("restore", made["backup"], "--yes", "--config", it.config)
        full = await asyncio.to_thread(command, *putting, code=2)
        assert "nothing is overwritten" in full.stderr
        await asyncio.to_thread(it.served.end, signal.SIGTERM)
        text = it.config.read_text(encoding="utf-8")
        it.config.write_text(text.replace(postgres_database.dsn, other_database.dsn), encoding="utf-8")
        told = json.loads((await asyncio.to_thread(command, *putting, "--json")).stdout)
        assert (told["entries"], told["set_aside"]) == (made["entries"], "")
        report = json.loads((await asyncio.to_thread(command, "verify", "--config", it.config, "--json")).stdout)
        assert (report["entries"], report["faults"]) == (made["entries"], [])
        nowhere = os.environ | {"PATH": str(tmp_path)}
        words = ["backup", "--to", str(to), "--config", str(it.config)]
        without = await asyncio.to_thread(programs.run, "catalogue", words, env=nowhere)
        assert without.returncode == 2
        assert "apt-get install postgresql-client" in without.stderr
        assert len(copies(to)) == 1


def where(folder: Path, word: bytes) -> list[str]:
    """Files with a word in them."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and word in path.read_bytes())


async def test_no_copy_and_nothing_that_was_set_aside_has_a_name_and_who_is_erased_is_in_no_file(
    tmp_path: Path,
) -> None:
    to, name = tmp_path / "copies", b"ann.of.the.moor"
    with managed(tmp_path / "c") as it:
        hand = await an_agent(it)
        await deliver(hand, 1)
        told = await hand.names((WALLET, name.decode(), 1), ("learner2", "ben.of.the.moor", 1))
        register = Named.parse(told.body).register
        assert where(it.config.parent, name)
        made = await asyncio.to_thread(backup, it, to)
        shown = await asyncio.to_thread(command, "wallet", "show", CAMPUS, WALLET, "--config", it.config)
        assert name.decode() in shown.stdout
        assert where(to, name) == []
        await hand.erase(WALLET)
        assert where(it.config.parent, name) == [], "the write-ahead log neither"
        assert where(it.config.parent, b"ben.of.the.moor")
        await asyncio.to_thread(it.served.end, signal.SIGTERM)
        putting = ("restore", made["backup"], "--yes", "--config", it.config, "--json")
        said = json.loads((await asyncio.to_thread(command, *putting)).stdout)
        assert Path(said["set_aside"], "catalogue.db").is_file()
        assert where(tmp_path, b"of.the.moor") == []
        assert any("names that agents told" in remark for remark in said["remarks"])
        await asyncio.to_thread(it.start)
        assert Named.parse((await hand.names()).body).register != register, "so that its agent tells them anew"
        await hand.client.close()


async def test_a_dump_of_postgresql_has_no_name_in_it(tmp_path: Path, postgres_database: PostgresDatabase) -> None:
    with managed(tmp_path / "c", database=postgres_database.dsn) as it:
        hand = await an_agent(it)
        await hand.names((WALLET, "ann.of.the.moor", 1))
        await hand.client.close()
        made = await asyncio.to_thread(backup, it, tmp_path / "copies")
    assert postgres_database.rows("SELECT name FROM person_name") == [("ann.of.the.moor",)]
    read = await asyncio.create_subprocess_exec(
        "pg_restore", "--file=-", f"{made['backup']}/catalogue.dump", stdout=asyncio.subprocess.PIPE
    )
    text, _ = await read.communicate()
    assert b"person_name" in text
    assert b"moor" not in text
