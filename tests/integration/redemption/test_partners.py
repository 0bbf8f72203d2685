"""Partners: signed orders, answers of all kinds, the circuit, what is unknown, and statements that settle it."""

from __future__ import annotations

import asyncio

import pytest

from catalogue.errors import CatalogueError, RefusedError
from catalogue.partners import breaker, reconcile, registry
from catalogue.partners.breaker import Circuit
from catalogue.partners.courier import LEASE_S, Courier, Name
from catalogue.partners.orders import Issued, Order, Outcome
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State
from tests.integration.redemption.shop import CAMPUS, DAY, NOW, Shop
from tests.partner import Mood


async def ordered(shop: Shop, *, repeatable: bool = True, count: int = 1, timeout_s: int = 30) -> list[Redemption]:
    """Cards that wait for their partner."""
    await shop.employ(repeatable=repeatable, timeout_s=timeout_s)
    await shop.give("ann", 50 * count)
    return [await shop.redeem(reward="card") for _ in range(count)]


async def state(shop: Shop, one: Redemption) -> State:
    return (await shop.now_is(one)).state


async def test_an_order_is_signed_and_its_code_becomes_the_voucher(shop: Shop) -> None:
    (one,) = await ordered(shop)
    assert (one.state, await shop.balance()) == (State.reserved, 0)
    await shop.carry()
    found = await shop.now_is(one)
    assert (found.state, shop.desk.voucher(found)) == (State.fulfilled, shop.partner.made[one.redemption][0])
    (order,) = shop.partner.orders
    assert (order["cost"], order["attempt"], order["campus"]) == ("4.50 GBP", 1, CAMPUS)
    assert "ann" not in str(order), "a partner learns no pseudonym"
    assert await shop.steps(one) == ["reserve", "claim", "issued"]
    await shop.audit()


class Odd:
    """An adapter that fails on one order by a fault of this program; the next one is answered only then, at leisure."""

    def __init__(self, fails_on: str) -> None:
        self.fails_on = fails_on
        self.failed = asyncio.Event()

    async def order(self, order: Order, *, now: int) -> Outcome:
        del now
        if order.redemption == self.fails_on:
            self.failed.set()
            raise ZeroDivisionError
        await self.failed.wait()
        for _ in range(100):  # others have their turns meanwhile
            await asyncio.sleep(0)
        return Issued(code="ABC", expires_at=None)

    async def close(self) -> None:
        """It holds nothing."""


async def test_a_round_ends_when_all_of_its_orders_have_though_one_of_them_fails(shop: Shop) -> None:
    """The others went on unseen, beside the next round and after the server had closed its database."""
    odd, other = await ordered(shop, count=2)
    courier = Courier(shop.desk, Odd(odd.redemption), clock=lambda: shop.at, jitter=lambda: 0.0)
    with pytest.raises(ZeroDivisionError):
        await courier.round()
    assert [await state(shop, one) for one in (odd, other)] == [State.sending, State.fulfilled]


async def test_a_partner_that_declines_gives_the_points_back(shop: Shop) -> None:
    (one,) = await ordered(shop)
    shop.partner.mood = Mood.declining
    await shop.carry()
    assert (await state(shop, one), await shop.balance()) == (State.released, 50)
    await shop.audit()


@pytest.mark.parametrize("mood", [Mood.hanging_up, Mood.mute, Mood.slow, Mood.error, Mood.late_error, Mood.moved])
async def test_a_lost_answer_is_asked_for_again_where_the_partner_knows_an_order_again(shop: Shop, mood: Mood) -> None:
    (one,) = await ordered(shop, timeout_s=1 if mood is Mood.slow else 30)
    shop.partner.mood = mood
    await shop.courier.round()
    assert (await state(shop, one), await shop.balance()) == (State.doubtful, 0)
    shop.partner.mood = Mood.normal
    shop.at += 60
    await shop.carry()
    assert await state(shop, one) is State.fulfilled
    assert shop.partner.posts[one.redemption] == 2
    await shop.audit()


@pytest.mark.parametrize("mood", [Mood.hanging_up, Mood.mute, Mood.error, Mood.late_error])
async def test_a_lost_answer_is_never_asked_for_again_where_it_might_be_made_twice(shop: Shop, mood: Mood) -> None:
    (one,) = await ordered(shop, repeatable=False)
    shop.partner.mood = mood
    await shop.courier.round()
    shop.partner.mood = Mood.normal
    shop.at += 99 * DAY
    await shop.carry()
    assert (await state(shop, one), shop.partner.posts[one.redemption]) == (State.unknown, 1)
    report = await shop.reconcile(complete_until=shop.at)
    made = mood in {Mood.mute, Mood.late_error}
    assert (report.fulfilled, report.released) == (([one.redemption], []) if made else ([], [one.redemption]))
    assert (await state(shop, one), await shop.balance()) == ((State.fulfilled, 0) if made else (State.released, 50))
    await shop.audit()


async def test_an_order_that_surely_did_not_arrive_is_sent_again_and_given_back_in_the_end(shop: Shop) -> None:
    (one,) = await ordered(shop, repeatable=False)
    await shop.partner.stop()
    await shop.courier.round()
    assert await state(shop, one) is State.reserved
    shop.at = NOW + breaker.GIVE_UP_S
    await shop.carry()
    assert (await state(shop, one), await shop.balance()) == (State.released, 50)
    assert await shop.steps(one) == ["reserve", "claim", "not_sent", "give_up"]
    await shop.audit()


async def test_a_partner_that_is_busy_is_asked_again_when_it_says(shop: Shop) -> None:
    (one,) = await ordered(shop, repeatable=False)
    shop.partner.mood = Mood.busy
    await shop.courier.round()
    assert (await shop.now_is(one)).due_at == NOW + 600
    shop.partner.mood = Mood.normal
    shop.at += 600
    await shop.carry()
    assert await state(shop, one) is State.fulfilled
    await shop.audit()


async def test_what_is_in_doubt_too_long_is_for_the_statement(shop: Shop) -> None:
    (one,) = await ordered(shop)
    shop.partner.mood = Mood.mute
    await shop.courier.round()
    shop.at += breaker.DOUBT_S
    await shop.carry()
    assert await state(shop, one) is State.unknown
    assert (await shop.reconcile()).fulfilled == [one.redemption]
    await shop.audit()


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_courier_that_is_killed_before_or_after_sending_leaves_nobody_charged_for_nothing(
    shop: Shop, *, repeatable: bool
) -> None:
    before, after = await ordered(shop, repeatable=repeatable, count=2, timeout_s=30)
    await shop.courier.claim(Name(CAMPUS, before.redemption), now=NOW)
    order = await shop.courier.claim(Name(CAMPUS, after.redemption), now=NOW)
    assert order is not None
    await shop.adapter.order(order, now=NOW)
    shop.at += 29 + LEASE_S
    await shop.carry()
    assert await state(shop, before) is State.sending, "its lease is not over"
    shop.at += 1
    await shop.carry()
    shop.at += 60
    await shop.carry()
    if not repeatable:
        assert {await state(shop, before), await state(shop, after)} == {State.unknown}
        await shop.reconcile(complete_until=shop.at)
        assert (await state(shop, before), await state(shop, after)) == (State.released, State.fulfilled)
    else:
        assert {await state(shop, before), await state(shop, after)} == {State.fulfilled}
    await shop.audit()


async def test_an_answer_that_comes_after_the_lease_is_still_believed(shop: Shop) -> None:
    (one,) = await ordered(shop, repeatable=False)
    name = Name(CAMPUS, one.redemption)
    order = await shop.courier.claim(name, now=NOW)
    assert order is not None
    outcome = await shop.adapter.order(order, now=NOW)
    shop.at += 99
    await shop.carry()
    assert await state(shop, one) is State.unknown
    await shop.courier.settle(name, order, outcome, now=shop.at)
    await shop.courier.settle(name, order, outcome, now=shop.at)
    assert await state(shop, one) is State.fulfilled
    await shop.audit()


async def test_a_voucher_that_comes_when_the_points_are_back_is_written_down_and_changes_nothing(shop: Shop) -> None:
    (one,) = await ordered(shop, repeatable=False)
    name = Name(CAMPUS, one.redemption)
    order = await shop.courier.claim(name, now=NOW)
    assert order is not None
    shop.at += 99
    await shop.carry()
    await shop.desk.settle(CAMPUS, one.redemption, issued=False, now=shop.at, by="test", why="they said so")
    await shop.courier.settle(name, order, await shop.adapter.order(order, now=NOW), now=shop.at)
    assert (await state(shop, one), await shop.balance()) == (State.released, 50)
    assert (await shop.steps(one))[-1] == "issued-too-late"
    report = await shop.reconcile()
    assert report.differ == [f"{one.redemption} is released here, the partner issued it"]


async def test_couriers_at_once_send_each_order_once(shop: Shop) -> None:
    cards = await ordered(shop, repeatable=False, count=12)
    await asyncio.gather(*(shop.courier.round() for _ in range(4)))
    assert {await state(shop, one) for one in cards} == {State.fulfilled}
    assert set(shop.partner.posts.values()) == {1}
    await shop.audit()


async def test_a_partner_that_fails_is_left_alone_and_tried_with_one_order(shop: Shop) -> None:
    cards = await ordered(shop, count=breaker.FAILURES_MAX + 3)
    shop.partner.mood = Mood.error
    for _ in range(3):
        await shop.courier.round()
    posts = shop.partner.posts.total()
    async with shop.store.reading() as conn:
        (row,) = await registry.listed(conn)
    assert row["failures"] >= breaker.FAILURES_MAX
    assert row["open_until"] > NOW
    shop.at += 5
    await shop.courier.round()
    assert shop.partner.posts.total() == posts, "it rests"
    shop.partner.mood = Mood.normal
    for _ in range(20):
        shop.at += 120
        await shop.carry()
    assert {await state(shop, one) for one in cards} == {State.fulfilled}
    async with shop.store.reading() as conn:
        (row,) = await registry.listed(conn)
    assert Circuit(row["failures"], row["open_until"]) == Circuit()
    await shop.audit()


async def test_a_paused_partner_gets_nothing_and_nobody_can_order(shop: Shop) -> None:
    (one,) = await ordered(shop)
    await shop.give("ann", 50)
    async with shop.store.writing() as conn:
        await registry.set_state(conn, "acme", "paused")
    with pytest.raises(RefusedError, match="takes no orders"):
        await shop.redeem(reward="card")
    await shop.courier.round()
    assert (await state(shop, one), shop.partner.posts.total()) == (State.reserved, 0)
    async with shop.store.writing() as conn:
        await registry.set_state(conn, "acme", "active")
    shop.at += 60
    await shop.carry()
    assert await state(shop, one) is State.fulfilled


async def test_a_reservation_can_be_taken_back_until_it_is_sent(shop: Shop) -> None:
    first, second = await ordered(shop, count=2)
    await shop.desk.cancel(CAMPUS, first.redemption, now=NOW, by="ann", why="changed her mind")
    await shop.courier.claim(Name(CAMPUS, second.redemption), now=NOW)
    with pytest.raises(RefusedError, match="not possible"):
        await shop.desk.cancel(CAMPUS, second.redemption, now=NOW, by="ann", why="changed her mind")
    assert (await state(shop, first), await shop.balance()) == (State.released, 50)
    await shop.audit()


async def test_a_statement_tells_what_differs_and_again_does_nothing_more(shop: Shop) -> None:
    cards = await ordered(shop, repeatable=False, count=4)
    await shop.carry()
    same, other, silent, declined = cards
    code = shop.partner.made[same.redemption][0]
    lines = ["redemption,status,code", f"{same.redemption},issued,{code}", f"{other.redemption},ISSUED,other"]
    text = "\n".join([*lines, f"{declined.redemption},declined,", "r-nobody,issued,X", ""])
    for _ in range(2):
        report = await shop.reconcile(text, complete_until=shop.at + 1)
        assert report.agreed == [same.redemption]
        assert report.fulfilled == report.released == []
        assert sorted(line.split()[0] for line in report.differ) == sorted(
            [other.redemption, silent.redemption, declined.redemption, "r-nobody"]
        )
    assert {await state(shop, one) for one in cards} == {State.fulfilled}


def test_every_bad_line_of_a_statement_is_told() -> None:
    text = "redemption,status,code\n,issued,A\nr1,maybe,A\nr2,issued,A\nr2,issued,B\n" + f"r3,issued,{'x' * 300}\n"
    with pytest.raises(CatalogueError) as caught:
        reconcile.read(text)
    for part in ("line 2: no redemption", "line 3: status 'maybe'", "line 5: r2 is there twice", "line 6: a code of"):
        assert part in str(caught.value)
    with pytest.raises(CatalogueError, match="no column status"):
        reconcile.read("redemption\n")


@pytest.mark.parametrize("text", ["\ufeffredemption,status\nr1,issued\n", "Redemption; Status\r\nr1;Issued\r\n"])
def test_a_statement_is_read_as_a_spreadsheet_saves_it(text: str) -> None:
    assert {name: line.issued for name, line in reconcile.read(text).items()} == {"r1": True}


@pytest.mark.parametrize(
    ("name", "url", "timeout"), [("A B", "https://a", 5), ("a", "ftp://a", 5), ("a", "https://a", 0)]
)
async def test_a_partner_that_cannot_be_is_told(shop: Shop, name: str, url: str, timeout: int) -> None:
    made = registry.Partner(
        owner="*",
        partner=name,
        title="",
        url=url,
        repeatable=True,
        timeout_s=timeout,
        state="active",
        circuit=Circuit(),
    )
    with pytest.raises(CatalogueError):
        async with shop.store.writing() as conn:
            await registry.put(conn, made)
