"""What a server of the catalogue tells machines: figures that agree with its books, and nobody's name in them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from sqlalchemy import insert, make_url, text

from catalogue import config, schema
from catalogue.health.counts import Counts
from catalogue.redemption.desk import Desk
from catalogue.redemption.vault import Vault
from catalogue.server.jobs import Job, Worker
from catalogue.server.status import STILL_S, Told
from catalogue.server.vouchers import Vouchers
from catalogue.store import Store
from tests.contract.catalogues import Hand
from tests.integration.redemption.shop import Shop
from tests.integration.service.managed import managed, samples
from tests.integration.test_catalogue_process import a_token
from tests.wire_builders import an_entry
from wire import keys

OPS = Path(__file__).parents[3] / "docs" / "ops"
LEARNER = "2mfi7spslsw3rstao7u5yyit"
CAMPUSES = 3_000


def told(store: Store, directory: Path, *workers: Worker) -> Told:
    """What a server with this database would tell."""
    (directory / "catalogue.toml").write_text("", encoding="utf-8")
    found = config.load(directory / "catalogue.toml")
    return Told(lambda: found, store, Counts(), workers, Vouchers(Desk(store, Vault(bytes(32)))))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = await Store.open(make_url(f"sqlite:///{tmp_path}/catalogue.db"), check_schema=False)
    await made.upgrade()
    yield made
    await made.close()


async def test_figures_are_what_agents_did_and_alerts_and_dashboard_ask_for_each_of_them(tmp_path: Path) -> None:
    with managed(tmp_path / "c") as it:
        token = await asyncio.to_thread(a_token, it.config)
        key = keys.load(tmp_path / "c" / "catalogue.ed25519")
        hand = Hand(cast("Any", SimpleNamespace(url=it.served.url, key=key)), tmp_path / "c")
        await hand.enrol(token)
        await hand.deliver([an_entry(1, learner=LEARNER), an_entry(2, learner=LEARNER), an_entry(3, v=2)])
        async with aiohttp.ClientSession() as session, session.get(f"{it.served.url}/v1/nothing/{LEARNER}") as answer:
            assert answer.status == 404
        await hand.client.close()
        _, shown = await asyncio.to_thread(it.get, "/metrics")
        found = samples(shown)
        assert found['rewards_catalogue_requests_total{route="POST /v1/batches",status="200"}'] == 1
        assert found['rewards_catalogue_requests_total{route="none",status="404"}'] == 1
        assert found['rewards_catalogue_request_seconds_bucket{le="+Inf",route="POST /v1/batches"}'] == 1
        assert found['rewards_catalogue_entries_total{result="posted"}'] == 2
        assert found['rewards_catalogue_entries_total{result="aside"}'] == 1
        assert found["rewards_catalogue_entries_set_aside"] == 1
        assert found['rewards_catalogue_agents{state="heard"}'] == 1
        assert found['rewards_catalogue_campuses{state="active"}'] == 1
        assert found["rewards_catalogue_backup_timestamp_seconds"] == 0
        assert 0 <= time.time() - found["rewards_catalogue_started_timestamp_seconds"] < 600
        for name in (LEARNER, hand.campus, hand.agent):
            assert name not in shown
            assert name not in it.log.read_text(encoding="utf-8").replace(f'"{hand.campus}"', "").replace(
                f'"{hand.agent}"', ""
            )
    made = re.findall(r"^# TYPE (rewards_\w+) (\w+)", shown, re.MULTILINE)
    assert {kind for _, kind in made} == {"counter", "gauge", "histogram"}
    assert not [name for name, _ in made if name.endswith("_created")]
    named = {name for name, _ in made}
    asked = {name for file in ("catalogue-alerts.yml", "catalogue-dashboard.json") for name in _asked(OPS / file)}
    assert asked == named
    assert _asked(OPS / "catalogue-monitoring.md") == named


def _asked(path: Path) -> set[str]:
    found = re.findall(r"\brewards_catalogue_[a-z_]+\b", path.read_text(encoding="utf-8"))
    return {name.removesuffix("_bucket") for name in found}


async def test_a_thousand_campuses_are_as_many_figures_as_one(store: Store, tmp_path: Path) -> None:
    it = told(store, tmp_path)
    before = samples((await it.figures()).decode())
    names = [f"campus-{number}" for number in range(CAMPUSES)]
    of_campus = {"title": "", "environment": "production", "state": "active", "created_at": 0}
    of_agent = {"agent": "agent-1", "state": "active", "epoch": 1, "seq": 0, "head": b"", "created_at": 0}
    async with store.writing() as conn:
        await conn.execute(insert(schema.tenant), [of_campus | {"campus": name} for name in names])
        await conn.execute(insert(schema.agent), [of_agent | {"campus": name} for name in names])
    after = samples((await it.figures()).decode())
    assert after.keys() == before.keys()
    assert after['rewards_catalogue_campuses{state="active"}'] == CAMPUSES
    assert after['rewards_catalogue_agents{state="silent"}'] == CAMPUSES


async def test_orders_that_wait_for_a_partner_and_those_that_nobody_may_ask_for_again_are_counted(
    shop: Shop, tmp_path: Path
) -> None:
    await shop.employ(repeatable=False)
    await shop.give("ann", 200)
    waiting, lost = await shop.redeem(reward="card"), await shop.redeem(reward="card")
    async with shop.store.writing() as conn:
        table = schema.redemption
        await conn.execute(
            table.update().where(table.c.redemption == lost.redemption).values(state="unknown", due_at=None)
        )
        await conn.execute(table.update().where(table.c.redemption == waiting.redemption).values(due_at=1))
    found = samples((await told(shop.store, tmp_path).figures()).decode())
    assert found['rewards_catalogue_orders{state="reserved"}'] == 1
    assert found['rewards_catalogue_orders{state="unknown"}'] == 1
    assert found["rewards_catalogue_order_late_seconds"] > STILL_S
    assert found["rewards_catalogue_partners_resting"] == 0


async def test_a_server_whose_courier_stands_still_is_not_ready_and_says_what_to_do(
    store: Store, tmp_path: Path
) -> None:
    now = 0.0

    async def never() -> None:
        raise OSError("no way out")

    jobs = [Job(name="courier", every_s=1, work=never, needed=True), Job(name="months", every_s=1, work=never)]
    workers = [Worker(job, lambda: now) for job in jobs]
    it = told(store, tmp_path, *workers)
    now = STILL_S
    assert [await worker.once() for worker in workers] == [False, False]
    assert await it.unready() == []
    now = STILL_S + 1
    (why,) = await it.unready()
    assert why.startswith("the courier has done nothing for 601 s; its trouble is in the log (job_failed)")
    assert samples((await it.figures()).decode())['rewards_catalogue_job_attempts{task="courier"}'] == 1


async def test_a_server_whose_database_waits_for_an_upgrade_is_not_ready(store: Store, tmp_path: Path) -> None:
    async with store.writing() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    (why,) = await told(store, tmp_path).unready()
    assert "has schema 0001" in why
    assert "take a backup with the release before this one, then run: rewards-catalogue init" in why
