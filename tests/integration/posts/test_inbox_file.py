"""The file of the inbox: older ones are brought up to date with all they hold, and numbers are never given twice."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from agent.collectors.inbox.file import STEPS
from agent.collectors.inbox.requeued import Sought
from agent.collectors.inbox.store import FILE_NAME, Inbox
from agent.errors import TransientError
from agent.model import Evidence
from tests.builders import NOW

RELEASED = ("46a8fb12", "46aa1471", "5c5e6548")
"""How the digest of each step begins: what stands on somebody's disk is not changed by editing the step."""


def older(path: Path, schema: int) -> None:
    """An inbox as an earlier version left it: two posts of three, one refused, and how far a source was asked."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("".join(STEPS[:schema]))
        put = "INSERT INTO post (no, source, received_at, evidence, body) VALUES (?, 'forms', ?, 'bearer_token', ?)"
        connection.executemany(put, [(n, NOW + n, b"body %d" % n) for n in (1, 2, 3)])
        connection.execute("DELETE FROM post WHERE no = 3")
        refused = (
            "INSERT INTO refused (source, received_at, reason, told, body) VALUES ('forms', ?, 'not_json', 'it', ?)"
        )
        connection.executemany(refused, [(NOW, b"short"), (NOW, b"x" * 4_000)])
        if schema > 1:
            connection.execute("INSERT INTO pull VALUES ('lrs', x'07', 5, 6, 7, 0, 8, '')")
        connection.execute(f"PRAGMA user_version = {schema}")
        connection.commit()


def shape(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"PRAGMA table_xinfo({name})").fetchall() for name in sorted(tables)}


@pytest.mark.parametrize("schema", range(1, len(STEPS) + 1))
async def test_an_inbox_of_any_earlier_schema_keeps_what_it_holds_and_goes_on(tmp_path: Path, schema: int) -> None:
    older(tmp_path / FILE_NAME, schema)
    inbox = await Inbox.open(tmp_path)
    posts = await inbox.after("forms", 0, 10)
    assert [(post.number, post.first, post.received_at, post.body) for post in posts] == [
        (1, 1, NOW + 1, b"body 1"),
        (2, 2, NOW + 2, b"body 2"),
    ]
    turned_away = await inbox.refused("forms", Sought(), 0, 10)
    # What was cut off, and what a sender had shown, no version before the third kept.
    assert [(one.body[:5], one.evidence) for one in turned_away] == [
        (b"short", Evidence.nothing),
        (b"xxxxx", Evidence.nothing),
    ]
    assert [one.whole for one in turned_away] == [schema < 3, False]
    assert await inbox.append("forms", NOW, Evidence.bearer_token, b"new") == 4
    place, began_at = await inbox.pull_place("lrs", NOW)
    assert (place, began_at) == ((b"\x07", 5) if schema > 1 else (b"", NOW))
    await inbox.close()
    fresh = await Inbox.open(_made(tmp_path / "fresh"))
    await fresh.close()
    assert shape(tmp_path / FILE_NAME) == shape(tmp_path / "fresh" / FILE_NAME)


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_step_of_the_inbox_that_was_released_is_never_edited() -> None:
    assert tuple(sha256(step.encode()).hexdigest()[:8] for step in STEPS) == RELEASED


async def test_the_release_before_goes_on_with_an_inbox_and_this_one_after_it(tmp_path: Path) -> None:
    """An agent could not be put back to an older release: its ledger has a copy, and posts are nowhere else."""
    inbox = await Inbox.open(tmp_path)
    await inbox.append("forms", NOW, Evidence.bearer_token, b"here")
    await inbox.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(RELEASED),)
        put = "INSERT INTO post (source, received_at, evidence, body, was) VALUES ('forms', ?, 'bearer_token', ?, 0)"
        connection.execute(put, (NOW, b"there"))
        connection.commit()
    inbox = await Inbox.open(tmp_path)
    assert [post.body for post in await inbox.after("forms", 0, 10)] == [b"here", b"there"]
    await inbox.close()


async def test_what_goes_back_in_line_keeps_its_first_number_and_no_number_is_given_twice(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    for n in (1, 2, 3):
        await inbox.append("forms", NOW + n, Evidence.signature, b"body %d" % n)
    await inbox.append("others", NOW, Evidence.signature, b"theirs")
    await inbox.refuse("forms", NOW, Evidence.address, "not_json", "it", b"refused")
    assert await inbox.requeue("forms", posts=[2, 4, 77], refused=[1, 5]) == 2
    await inbox.close()
    inbox = await Inbox.open(tmp_path)
    assert await inbox.append("forms", NOW, Evidence.signature, b"new") == 7
    assert await inbox.requeue("forms", posts=[5], refused=[1]) == 1
    posts = await inbox.after("forms", 0, 10)
    assert [(post.number, post.first, post.received_at, post.evidence) for post in posts] == [
        (1, 1, NOW + 1, Evidence.signature),
        (3, 3, NOW + 3, Evidence.signature),
        (6, 6, NOW, Evidence.address),
        (7, 7, NOW, Evidence.signature),
        (8, 2, NOW + 2, Evidence.signature),
    ]
    assert await inbox.refused("forms", Sought(), 0, 10) == []
    assert len(await inbox.after("others", 0, 10)) == 1
    await inbox.close()


async def test_what_nobody_expects_of_a_post_is_told_to_who_sent_it_and_the_next_one_is_kept(tmp_path: Path) -> None:
    """The task that writes ended, unseen: no post was answered any more until the agent was restarted."""
    inbox = await Inbox.open(tmp_path)
    no_time_of_sqlite = 2**70
    async with asyncio.timeout(60):
        with pytest.raises(OverflowError):
            await inbox.append("forms", no_time_of_sqlite, Evidence.bearer_token, b"odd")
        assert await inbox.append("forms", NOW, Evidence.bearer_token, b"good") == 1
    await inbox.close()
    with pytest.raises(TransientError):
        await inbox.append("forms", NOW, Evidence.bearer_token, b"too late")
