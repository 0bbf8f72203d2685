"""What every catalogue does, whatever it keeps its books in: SQLite, PostgreSQL, and the fake in its normal mood."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.outbox.client import Client, Place
from tests.contract.catalogues import CatalogueUnderTest, Hand, running_catalogue
from tests.fakes import FakeCatalogue, ManualClock
from tests.wire_builders import CAMPUS, an_entry, entries
from wire import batch, chain, keys, signing


@pytest.fixture(params=["sqlite", "postgresql", "fake"])
async def catalogue(
    request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path
) -> AsyncIterator[CatalogueUnderTest]:
    if request.param == "fake":
        fake = FakeCatalogue(tmp_path)
        await fake.start()
        yield fake
        await fake.stop()
        return
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as real:
        yield real


@pytest.fixture
async def hand(catalogue: CatalogueUnderTest, tmp_path: Path) -> AsyncIterator[Hand]:
    made = await enrolled(catalogue, tmp_path)
    yield made
    await made.client.close()


async def enrolled(catalogue: CatalogueUnderTest, tmp_path: Path, campus: str = CAMPUS) -> Hand:
    made = Hand(catalogue, tmp_path, campus=campus)
    assert (await made.enrol(await catalogue.add_tenant(campus))).status == 200
    return made


def sums(first: int, last: int) -> dict[tuple[str, str], int]:
    """What `entries(first, last)` add up to."""
    found: dict[tuple[str, str], int] = {}
    for seq in range(first, last + 1):
        wallet = (f"learner{seq % 7}", "points")
        found[wallet] = found.get(wallet, 0) + 10
    return found


async def test_a_batch_gets_a_signed_receipt_and_moves_wallets(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    taken = await hand.deliver(entries(1, 20))
    assert (taken.first_seq, taken.last_seq, taken.accepted, taken.rejected) == (1, 20, 20, ())
    assert taken.head == chain.head(chain.GENESIS, entries(1, 20))
    assert await catalogue.wallets(CAMPUS) == sums(1, 20)


async def test_the_same_bytes_again_get_the_stored_receipt_and_move_nothing(
    catalogue: CatalogueUnderTest, hand: Hand
) -> None:
    body = hand.seal(entries(1, 5))
    first, second = await hand.send(body), await hand.send(body)
    assert second.body == first.body
    assert hand.receipt(second) == hand.receipt(first)
    assert second.header("signature") == first.header("signature")
    assert await catalogue.wallets(CAMPUS) == sums(1, 5)


async def test_a_receipt_is_given_again_after_later_batches(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    early = hand.seal(entries(1, 5))
    receipt = await hand.deliver(entries(1, 5))
    await hand.deliver(entries(6, 9))
    assert hand.receipt(await hand.send(early)) == receipt
    assert await catalogue.wallets(CAMPUS) == sums(1, 9)


async def test_other_bytes_for_a_known_range_are_a_fork(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    await hand.deliver(entries(1, 5))
    other = hand.seal(entries(1, 5, amount=1000), first=1, previous=chain.GENESIS)
    stand = hand.stands(await hand.send(other))
    assert (stand.why, stand.seq, stand.head) == ("fork", 5, hand.head)
    assert await catalogue.wallets(CAMPUS) == sums(1, 5)


async def test_a_batch_that_leaves_a_gap_is_answered_with_where_we_stand(
    catalogue: CatalogueUnderTest, hand: Hand
) -> None:
    await hand.deliver(entries(1, 5))
    stand = hand.stands(await hand.send(hand.seal(entries(8, 9), first=8)))
    assert (stand.why, stand.epoch, stand.seq, stand.head) == ("not-next", 1, 5, hand.head)
    assert await catalogue.wallets(CAMPUS) == sums(1, 5)


async def test_a_batch_on_another_history_is_answered_with_where_we_stand(
    catalogue: CatalogueUnderTest, hand: Hand
) -> None:
    await hand.deliver(entries(1, 5))
    stand = hand.stands(await hand.send(hand.seal(entries(6, 7), previous=b"\x01" * 32)))
    assert (stand.why, stand.seq, stand.head) == ("history", 5, hand.head)
    assert await catalogue.wallets(CAMPUS) == sums(1, 5)


async def test_bad_entries_are_set_aside_with_reasons_and_the_chain_goes_on(
    catalogue: CatalogueUnderTest, hand: Hand
) -> None:
    bad = {
        2: b"\xff\x00 nonsense",
        3: an_entry(99),
        4: an_entry(4, kind="gift"),
        5: an_entry(5, learner="a\x00b"),
        6: an_entry(6, amount=10**15 + 1),
        7: an_entry(7, kind="reversal"),
        8: an_entry(8, v=2),
        9: an_entry(9, entry_id="1-8"),
        10: b"",
        11: an_entry(11)[:-1] + b',"zz":1,"zz":1}',
        12: an_entry(12, learner=""),
        14: an_entry(14, rule="a\x00b"),
        15: an_entry(15, source="\x00"),
        16: an_entry(16, occurred_at=2**63),
        17: an_entry(17, occurred_at=-(2**63)),
    }
    bodies = [bad.get(seq, an_entry(seq)) for seq in range(1, 18)]
    taken = await hand.deliver(bodies)
    assert [item.seq for item in taken.rejected] == sorted(bad)
    assert all(item.reason for item in taken.rejected)
    assert taken.accepted == 2
    assert (await hand.deliver(entries(18, 19))).accepted == 2
    wanted = dict.fromkeys([(f"learner{number}", "points") for number in (1, 4, 5, 6)], 10)
    assert await catalogue.wallets(CAMPUS) == wanted


async def test_reversals_and_adjustments_move_wallets_below_zero_too(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    await hand.deliver(
        [
            an_entry(1, learner="a", amount=10),
            an_entry(2, learner="a", amount=-30, kind="adjustment", reason="given to the wrong one"),
            an_entry(3, learner="a", amount=-10, kind="reversal", reverses="1-1", reason="deleted"),
            an_entry(4, learner="a", amount=5, kind="adjustment", reason="goodwill"),
        ]
    )
    assert await catalogue.wallets(CAMPUS) == {("a", "points"): -25}


async def test_currencies_and_badges_are_wallets_of_their_own(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    await hand.deliver([an_entry(1, learner="a", currency="badge:ace", amount=1), an_entry(2, learner="a")])
    assert await catalogue.wallets(CAMPUS) == {("a", "badge:ace"): 1, ("a", "points"): 10}


async def test_what_is_not_signed_by_the_agents_own_key_is_refused(
    catalogue: CatalogueUnderTest, hand: Hand, tmp_path: Path
) -> None:
    stranger = Client(Place(url=catalogue.url), key_file=tmp_path / "stranger-agent", clock=SystemClock())
    keys.create(tmp_path / "stranger-agent")
    answer = await stranger.post_batch(hand.seal(entries(1, 1)), campus=CAMPUS, agent=hand.agent)
    await stranger.close()
    assert answer.status == 401
    assert await catalogue.wallets(CAMPUS) == {}


@pytest.mark.parametrize("off", [-3600, 3600])
async def test_a_signature_far_from_the_catalogues_time_is_refused_and_the_clocks_are_named(
    catalogue: CatalogueUnderTest, hand: Hand, off: int
) -> None:
    elsewhen = Client(Place(url=catalogue.url), key_file=hand.key_file, clock=ManualClock(hand.clock.now() + off))
    answer = await elsewhen.post_batch(hand.seal(entries(1, 1)), campus=CAMPUS, agent=hand.agent)
    await elsewhen.close()
    assert answer.status == 401
    assert b"clocks" in answer.body


async def test_a_batch_sealed_long_ago_is_fresh_when_it_is_sent(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    body = hand.seal(entries(1, 3, occurred_at=1_000_000_000, recorded_at=1_000_000_000))
    assert hand.receipt(await hand.send(body)).accepted == 3


async def test_a_signature_for_another_purpose_is_refused(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    key_id = f"{CAMPUS}/{hand.agent}/{hand.key.fingerprint}"
    body = hand.seal(entries(1, 1))
    answer = await hand.client.post_signed("/v1/batches", body, key=hand.key, key_id=key_id, tag=signing.ASK_TAG)
    assert answer.status == 401


@pytest.mark.parametrize(
    "change", [{"campus": "another"}, {"agent": "agent-2"}, {"environment": "staging"}], ids=lambda change: str(*change)
)
async def test_a_batch_for_another_campus_agent_or_environment_is_refused(
    catalogue: CatalogueUnderTest, hand: Hand, change: dict[str, str]
) -> None:
    answer = await hand.send(hand.seal(entries(1, 1), **change))
    assert answer.status == 403
    assert await catalogue.wallets(CAMPUS) == {}


async def test_a_suspended_campus_is_refused_until_it_is_resumed(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    body = hand.seal(entries(1, 3))
    await catalogue.set_state(CAMPUS, "suspended")
    assert (await hand.send(body)).status == 403
    assert await catalogue.wallets(CAMPUS) == {}
    await catalogue.set_state(CAMPUS, "active")
    assert hand.receipt(await hand.send(body)).accepted == 3


async def test_a_revoked_agent_is_refused_and_what_it_sent_stays(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    await hand.deliver(entries(1, 3))
    await catalogue.revoke(CAMPUS, hand.agent)
    assert (await hand.send(hand.seal(entries(4, 4)))).status == 403
    assert await catalogue.wallets(CAMPUS) == sums(1, 3)


async def test_a_new_agent_stands_at_the_beginning_and_later_where_it_was_taken(
    catalogue: CatalogueUnderTest, hand: Hand
) -> None:
    stand = await hand.stand()
    assert (stand.campus, stand.agent, stand.epoch, stand.seq, stand.head) == (CAMPUS, hand.agent, 1, 0, chain.GENESIS)
    await hand.deliver(entries(1, 4))
    stand = await hand.stand()
    assert (stand.seq, stand.head, stand.why) == (4, hand.head, "")


async def test_a_new_epoch_goes_on_where_the_old_one_ended_and_closes_it(
    catalogue: CatalogueUnderTest, hand: Hand
) -> None:
    await hand.deliver(entries(1, 4))
    await hand.deliver([an_entry(5), an_entry(6, entry_id="2-6")], epoch=2)
    stand = hand.stands(await hand.send(hand.seal(entries(7, 7), epoch=1)))
    assert (stand.why, stand.epoch, stand.seq) == ("epoch", 2, 6)
    assert await catalogue.wallets(CAMPUS) == sums(1, 6)


async def test_a_malformed_batch_is_refused_as_such(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    whole = hand.seal(entries(1, 3))
    for body in (b"nonsense\n", whole[:-1], whole + b"{}\n", whole.replace(b'"amount":10', b'"amount":99', 1)):
        assert (await hand.send(body)).status == 400
    assert (await hand.stand()).seq == 0


async def test_a_body_over_the_limit_is_refused(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    assert (await hand.send(b"x" * (batch.BATCH_BYTES_MAX + 1))).status == 413


async def test_one_batch_sent_by_many_at_once_is_taken_once(catalogue: CatalogueUnderTest, hand: Hand) -> None:
    body = hand.seal(entries(1, 50))
    clients = [Client(Place(url=catalogue.url), key_file=hand.key_file, clock=hand.clock) for _ in range(6)]
    answers = await asyncio.gather(*(c.post_batch(body, campus=CAMPUS, agent=hand.agent) for c in clients))
    for client in clients:
        await client.close()
    assert len({answer.body for answer in answers}) == 1
    assert await catalogue.wallets(CAMPUS) == sums(1, 50)


async def test_two_agents_of_one_campus_at_once_add_up_in_the_same_wallets(
    catalogue: CatalogueUnderTest, hand: Hand, tmp_path: Path
) -> None:
    other = await enrolled(catalogue, tmp_path)
    assert other.agent != hand.agent

    async def deliver(who: Hand, source: str) -> None:
        for first in range(1, 100, 10):
            await who.deliver(entries(first, first + 9, source=source))

    await asyncio.gather(deliver(hand, "moodle"), deliver(other, "second"))
    await other.client.close()
    assert await catalogue.wallets(CAMPUS) == {wallet: 2 * amount for wallet, amount in sums(1, 100).items()}


async def test_campuses_do_not_see_each_other(catalogue: CatalogueUnderTest, hand: Hand, tmp_path: Path) -> None:
    other = await enrolled(catalogue, tmp_path, "second-campus")
    await hand.deliver(entries(1, 3))
    await other.deliver(entries(1, 1))
    await other.client.close()
    assert await catalogue.wallets(CAMPUS) == sums(1, 3)
    assert await catalogue.wallets("second-campus") == sums(1, 1)


async def test_a_token_enrols_one_key_once_and_the_same_key_again(
    catalogue: CatalogueUnderTest, tmp_path: Path
) -> None:
    hand, thief = Hand(catalogue, tmp_path), Hand(catalogue, tmp_path)
    token = await catalogue.add_tenant(CAMPUS)
    first, again = await hand.enrol(token), await hand.enrol(token)
    assert (first.status, again.status, first.body) == (200, 200, again.body)
    assert (await thief.enrol(token)).status == 403
    await hand.client.close()
    await thief.client.close()


async def test_a_token_is_good_for_its_campus_and_environment_only(
    catalogue: CatalogueUnderTest, tmp_path: Path
) -> None:
    token = await catalogue.add_tenant(CAMPUS)
    await catalogue.add_tenant("second-campus")
    elsewhere, hand = Hand(catalogue, tmp_path, campus="second-campus"), Hand(catalogue, tmp_path)
    assert (await elsewhere.enrol(token)).status == 403
    assert (await hand.enrol(token, environment="staging")).status == 403
    assert (await hand.enrol(token)).status == 200
    await hand.client.close()
    await elsewhere.client.close()


async def test_an_enrolment_must_be_signed_by_the_key_that_it_binds(
    catalogue: CatalogueUnderTest, hand: Hand, tmp_path: Path
) -> None:
    victim = keys.create(tmp_path / "victim")
    borrowed = dataclasses.replace(hand.key, public=victim.public, fingerprint=victim.fingerprint)
    assert (await hand.enrol(await catalogue.add_tenant(CAMPUS), key=borrowed)).status == 401


async def test_a_rotated_key_takes_over_and_the_old_one_is_refused(
    catalogue: CatalogueUnderTest, hand: Hand, tmp_path: Path
) -> None:
    new = keys.create(tmp_path / "new")
    assert (await hand.rotate(new)).status == 200
    assert (await hand.rotate(new)).status == 200, "an answer that was lost is given again"
    assert (await hand.send(hand.seal(entries(1, 1)))).status == 401
    renewed = Client(Place(url=catalogue.url), key_file=tmp_path / "new", clock=hand.clock)
    answer = await renewed.post_batch(hand.seal(entries(1, 1)), campus=CAMPUS, agent=hand.agent)
    await renewed.close()
    assert hand.receipt(answer).accepted == 1


async def in_place_of(hand: Hand, catalogue: CatalogueUnderTest, directory: Path) -> Hand:
    """A hand with another key for the same agent, its history known; the epoch that it may sign is not begun."""
    again = Hand(catalogue, directory)
    token = await catalogue.add_tenant(CAMPUS, agent=hand.agent)
    answers = [await again.enrol(token) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == answers[1].body, "an answer that was lost is given again"
    assert (again.agent, again.epoch) == (hand.agent, hand.epoch + 1)
    again.seq, again.head = hand.seq, hand.head
    return again


async def test_an_agent_that_lost_its_key_goes_on_in_its_next_epoch_with_a_token_for_its_name(
    catalogue: CatalogueUnderTest, hand: Hand, tmp_path: Path
) -> None:
    await hand.deliver(entries(1, 3))
    again = await in_place_of(hand, catalogue, tmp_path)
    assert (await again.send(again.seal(entries(4, 5), epoch=1))).status == 403, (
        "the epoch of the lost key takes no more"
    )
    assert again.stands(await again.take_over(2), status=200).epoch == 2
    assert (await again.deliver(entries(4, 5))).accepted == 2
    assert (await hand.send(hand.seal(entries(4, 5)))).status == 401
    # An older copy of the ledger, put back under the new key: where the agent stands tells it so.
    older = await again.send(again.seal(entries(1, 3), epoch=1, first=1, previous=chain.GENESIS))
    assert again.stands(older).why == "epoch"
    newer = keys.create(tmp_path / "newer")
    assert (await again.rotate(newer)).status == 200
    await again.client.close()
    again.client = Client(Place(url=catalogue.url), key_file=tmp_path / "newer", clock=again.clock)
    followed = again.stands(await again.send(again.seal(entries(6, 6), epoch=1)))
    assert (followed.why, followed.epoch, followed.seq) == ("epoch", 2, 5), "nor from a key that followed"
    assert (await again.deliver(entries(6, 6))).accepted == 1
    await again.client.close()


async def test_a_new_key_begins_no_epoch_on_another_history(
    catalogue: CatalogueUnderTest, hand: Hand, tmp_path: Path
) -> None:
    await hand.deliver(entries(1, 3))
    again = await in_place_of(hand, catalogue, tmp_path)
    again.seq, again.head = 2, chain.head(chain.GENESIS, entries(1, 2))
    assert (await again.take_over(2)).status == 409, "an older copy"
    again.seq, again.head = 3, bytes(32)
    assert (await again.take_over(2)).status == 409
    assert (await again.stand()).epoch == 1
    await again.client.close()


async def test_a_revoked_agent_comes_back_with_a_new_key_and_a_token_for_its_name(
    catalogue: CatalogueUnderTest, hand: Hand, tmp_path: Path
) -> None:
    await hand.deliver(entries(1, 3))
    await catalogue.revoke(CAMPUS, hand.agent)
    again = await in_place_of(hand, catalogue, tmp_path)
    assert (await again.take_over(again.epoch)).status == 200
    assert (await again.deliver(entries(4, 5))).accepted == 2
    await again.client.close()


async def test_a_delivered_history_is_not_paid_again_under_another_name(
    catalogue: CatalogueUnderTest, hand: Hand, tmp_path: Path
) -> None:
    await hand.deliver(entries(1, 3))
    other = await enrolled(catalogue, tmp_path)
    assert (await other.send(other.seal(entries(1, 2)))).status == 403
    await other.client.close()
    assert await catalogue.wallets(CAMPUS) == sums(1, 3)
