"""What a server does again and again: trouble is told and tried again, and nothing else stops for it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import structlog
from sqlalchemy import make_url

from catalogue.server import jobs
from catalogue.server.jobs import Job
from catalogue.store import Store
from catalogue.wallets.expiry import Expiry


async def test_a_job_that_fails_is_told_and_done_again_while_others_go_on() -> None:
    done = {"good": 0, "bad": 0}
    enough = asyncio.Event()

    async def good() -> None:
        done["good"] += 1

    async def bad() -> None:
        done["bad"] += 1
        if done["bad"] == 3 <= done["good"]:
            enough.set()
        raise OSError("the disk is full")

    with structlog.testing.capture_logs() as logs:
        async with jobs.running([Job(name="good", every_s=0, work=good), Job(name="bad", every_s=0, work=bad)]):
            await enough.wait()
    assert {(line["job"], line["said"]) for line in logs} == {("bad", "the disk is full")}


async def test_a_clock_that_was_set_is_not_believed_until_the_next_look(tmp_path: Path) -> None:
    store = await Store.open(make_url(f"sqlite:///{tmp_path}/books.db"), check_schema=False)
    await store.upgrade()
    ahead_s = 0
    expiry = Expiry(store, lambda: time.time() + ahead_s)
    ahead_s = 10**6
    with structlog.testing.capture_logs() as logs:
        await expiry.look()
        await expiry.look()
    await store.close()
    assert [line["event"] for line in logs] == ["clock_jumped"]
