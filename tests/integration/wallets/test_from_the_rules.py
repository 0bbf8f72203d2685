"""From rules.toml to a lot at the centre: the agent tells the terms of its currencies with each batch."""

from __future__ import annotations

import contextlib
from pathlib import Path

import aiosqlite
import pytest

from agent.clock import SystemClock
from agent.ledger import file
from agent.ledger.money import accounts, told
from agent.outbox.client import Client, Place
from agent.outbox.enrol import Wish, enrol
from agent.outbox.key_file import new_key
from agent.outbox.sync import Outbox
from agent.recognition.following import Following
from agent.recognition.merging import Merging
from agent.schedule.expiry import Expiry
from catalogue import books
from catalogue.errors import CatalogueError
from catalogue.redemption import facts
from catalogue.rewards import gates, shelf
from catalogue.rewards.model import Gate
from catalogue.wallets import currencies
from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.fakes import ManualClock
from tests.integration.statement import centre
from tests.outboxes import delivering
from tests.pipelines import running
from tests.rule_stories import ZONE, event, rule
from tests.wire_builders import CAMPUS
from wire.money.terms import Level, Terms

DAY = 86_400
ACT = event().seen.occurred_at


def rules(expires: str, worth: str = "0.01 GBP") -> str:
    currency = f'[currency.points]\ntitle = "Stars"\nexpires_after = "{expires}"\nworth = "{worth}"\ndecimals = 1\n'
    level = '[[level]]\nname = "Scholar"\ncurrency = "points"\nfrom = 2.5\n'
    return f'schema = 1\ntimezone = "{ZONE}"\n{rule()}{currency}{level}'


async def deliver(directory: Path, real: RealCatalogue, text: str, lesson: str, token: str = "") -> None:
    """One lesson under these rules, recorded and delivered."""
    async with running(directory, text) as here:
        await Expiry(here.writer, here.pipeline, ManualClock(ACT), active=False).adopt()
        await here.take(event(lesson=lesson).seen)
        clock = SystemClock()
        client = Client(Place(url=real.url), key_file=directory / "agent.ed25519", clock=clock)
        outbox = Outbox(writer=here.writer, data_dir=directory, client=client, environment="production", clock=clock)
        if token:
            new_key(directory / "agent.ed25519")
            wish = Wish(campus=CAMPUS, environment="production", url=real.url)
            await enrol(token, wish, client=client, writer=here.writer, data_dir=directory, clock=clock)
        assert await outbox.drain(limit_s=60)
        await outbox.close()


async def test_lots_at_the_centre_end_as_the_rules_said_when_they_were_earned(tmp_path: Path) -> None:
    async with running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db") as real:
        data = tmp_path / "agent"
        data.mkdir()
        await deliver(data, real, rules("30d"), "1", await real.add_tenant(CAMPUS))
        await deliver(data, real, rules("60d", "0.02 GBP"), "2")
        async with real.store.reading() as conn:
            (wallet,) = [row async for row in books.wallets(conn, CAMPUS)]
            held = await books.lots(conn, CAMPUS, wallet["learner"], "points")
            points = await currencies.one(conn, CAMPUS, "points")
            assert await currencies.levels(conn, CAMPUS) == (Level("Scholar", "points", 25),)
    assert [lot["expires_at"] for lot in held["lots"]] == [ACT + 30 * DAY, ACT + 60 * DAY]
    assert (points.title, points.worth, points.decimals) == ("Stars", "0.02 GBP", 1)


async def test_rewards_for_a_tier_are_gated_by_what_the_campuss_own_rules_say_of_it(tmp_path: Path) -> None:
    gold = '[[tier]]\nname = "Gold"\nfrom = 80\nrequires = { badges = ["ace"] }\n'
    badge = '[[badge]]\nid = "ace"\nname = "Ace"\nall_of = [{ rule = "r", at_least = 50 }]\n'
    more = '[[tier]]\nname = "Étoile du Nord"\nfrom = 1\nof = "current"\n'
    async with running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db") as real:
        data = tmp_path / "agent"
        data.mkdir()
        await deliver(data, real, rules("30d") + badge + gold + more, "1", await real.add_tenant(CAMPUS))
        async with real.store.reading() as conn:
            known = await shelf.labels(conn, CAMPUS)
            (wallet,) = [row async for row in books.wallets(conn, CAMPUS)]
            who = await facts.about(conn, CAMPUS, wallet["learner"])
        assert known["tier", "gold"].gate == Gate(earned={"points": 800}, badges=("ace",))
        assert known["tier", "silver"].gate == Gate(earned={"points": 200}), "the rules say nothing of silver"
        assert known["tier", "etoile-du-nord"].current == {"points": 10}
        assert gates.of_tier(known["tier", "gold"], who.standing) == ["the badge ace", "70.0 more points earned"]
        assert gates.of_tier(known["tier", "etoile-du-nord"], who.standing) == []
        async with real.store.writing() as conn:
            with pytest.raises(CatalogueError, match="the rules of uni-example say what gold is"):
                await shelf.put_label(conn, CAMPUS, shelf.named({"kind": "tier", "name": "gold", "title": "Gold"}))
            await shelf.put_label(conn, CAMPUS, shelf.named({"kind": "tier", "name": "silver", "title": "Silver"}))
        async with real.store.reading() as conn:
            whose = {
                name: one.owner for (kind, name), one in (await shelf.owned(conn, CAMPUS)).items() if kind == "tier"
            }
        assert whose == {"bronze": "*", "silver": CAMPUS, "gold": shelf.RULES, "etoile-du-nord": shelf.RULES}
        await deliver(data, real, rules("30d"), "2")
        async with real.store.reading() as conn:
            known = await shelf.labels(conn, CAMPUS)
        assert known["tier", "gold"].gate == Gate(earned={"points": 500}), "the rules no longer name it"
        assert ("tier", "etoile-du-nord") not in known


@pytest.mark.parametrize("overdraw", ["owe", "forgive"])
async def test_what_was_spent_before_a_merge_is_spent_after_it_too(overdraw: str, tmp_path: Path) -> None:
    text = f'schema = 1\ntimezone = "{ZONE}"\n{rule()}[currency.points]\noverdraw = "{overdraw}"\n'
    data = tmp_path / "agent"
    data.mkdir()
    async with (
        running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db") as real,
        running(data, text) as here,
        delivering(data, real.url, await real.add_tenant(CAMPUS), beside=here.writer) as ways,
    ):
        await Expiry(here.writer, here.pipeline, ManualClock(ACT), active=False).adopt()
        await here.take(event(who="ben").seen)
        assert await ways.drain()
        ((ben, _),) = await real.wallets(CAMPUS)
        await centre.spend(real, ben, 6, "spend:r1")
        following = Following(here.pipeline, here.recorder)
        merging = Merging(here.writer, here.recorder, here.pipeline, following, ManualClock(ACT))
        await merging.merge(source="moodle:ben", target="moodle:ann", reason="one person", by="B. Desk")
        assert await ways.drain()
        assert await ways.hear()
        wallets = {name: balance for (name, _), balance in (await real.wallets(CAMPUS)).items()}
        assert (wallets.pop(ben), *wallets.values()) == (-6, 10)
        with contextlib.closing(file.open_for_reading(data)) as connection:
            held = [accounts.held(connection, f"moodle:{who}", "points") for who in ("ben", "ann")]
        assert [(one.balance, one.account and one.account.debt) for one in held] == [(-6, 6), (10, 0)]
        assert await real.faults() == []


async def test_a_lot_that_a_merge_moved_is_told_with_its_own_end(tmp_path: Path) -> None:
    async with running(tmp_path, rules("30d")) as here:
        await Expiry(here.writer, here.pipeline, ManualClock(ACT), active=False).adopt()
        await here.take(event(lesson="1").seen, event(lesson="2").seen)

        async def unit(connection: aiosqlite.Connection) -> tuple[Terms, Terms]:
            await connection.execute("INSERT INTO currency_terms VALUES ('points', 1, 5, 'forgive')")
            await connection.execute("INSERT INTO lot_moved VALUES (2, 1)")
            return await told.within(connection, 1, 2), await told.within(connection, 2, 2)

        both, last = await here.writer.run(unit)
    assert both.lots == {2: ACT + 30 * DAY}
    assert [both.ends_at(both.under("points", seq), seq, ACT) for seq in (1, 2)] == [ACT + 30 * DAY] * 2
    assert [change.overdraw for change in last.currencies["points"].changes] == ["forgive"]
