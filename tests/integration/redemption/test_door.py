"""Spending from the campus: signed by its agent, answered by the catalogue, under a pseudonym."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.outbox.client import Answer
from catalogue.redemption import pool
from catalogue.redemption.desk import Desk
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.server.vouchers import Vouchers
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.wire_builders import CAMPUS, entries
from wire import enrolment, signing
from wire.money.spending import Asker, Cancel, Wish


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[RealCatalogue]:
    async with running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db") as made:
        yield made


@pytest.fixture
async def hand(real: RealCatalogue, tmp_path: Path) -> AsyncIterator[Hand]:
    made = Hand(real, tmp_path)
    await made.enrol(await real.add_tenant(CAMPUS))
    await made.deliver(entries(1, 70))  # a hundred points for each of seven learners
    tea = shelf.described({"id": "tea", "title": "Tea", "price": {"points": 50}, "cohorts": ["pilot"]})
    async with real.store.writing() as conn:
        await shelf.put(conn, CAMPUS, tea, now=1)
        await shelf.approve(conn, CAMPUS, CAMPUS, "tea", approved=True, now=1)
    yield made
    await made.client.close()


async def post(hand: Hand, path: str, message: Asker, tag: str = signing.SPEND_TAG) -> Answer:
    key_id = enrolment.agent_key_id(hand.campus, hand.agent, hand.key.fingerprint)
    return await hand.client.post_signed(path, message.encode(), key=hand.key, key_id=key_id, tag=tag)


def said(hand: Hand, answer: Answer) -> Any:
    """What a proven answer says."""
    assert answer.status == 200, answer.body
    public, now = hand.under_test.key.public, hand.clock.now()
    signing.verify_stand(answer.signed(bound=True), answer.body, public=public, now=now, tag=signing.SPENT_TAG)
    return orjson.loads(answer.body)


def wish(hand: Hand, **changes: Any) -> Wish:
    fields = {"learner": "learner1", "key": "k1", "reward": "tea", "cohorts": ("pilot",)}
    return Wish(**{"campus": hand.campus, "agent": hand.agent} | fields | changes)


async def test_a_learner_is_shown_what_there_is_and_gets_a_voucher_once_for_each_key(hand: Hand) -> None:
    asker = Asker(campus=CAMPUS, agent=hand.agent, learner="learner1", cohorts=("pilot",))
    found = said(hand, await post(hand, "/v1/shelf", asker))
    assert [(one["id"], one["against"]) for one in found["rewards"]] == [("tea", "")]
    assert [(one["currency"], one["balance"]) for one in found["wallets"]] == [("points", 100)]
    outsider = Asker(campus=CAMPUS, agent=hand.agent, learner="learner1")
    (tea,) = said(hand, await post(hand, "/v1/shelf", outsider))["rewards"]
    assert tea["against"] == "it is not offered to this learner"
    made = said(hand, await post(hand, "/v1/redemptions", wish(hand)))
    again = said(hand, await post(hand, "/v1/redemptions", wish(hand)))
    assert made == again
    assert made["token"].startswith(f"{CAMPUS}.")
    answer = await hand.client.get_signed(f"/v1/redemptions/{made['redemption']}", campus=CAMPUS, agent=hand.agent)
    assert said(hand, answer) == made
    assert (await hand.under_test.wallets(CAMPUS))["learner1", "points"] == 50


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"campus": "another"}, 403, b"not-yours"),
        ({"agent": "agent-9"}, 403, b"not-yours"),
        ({"reward": "coffee"}, 404, b"unknown-reward"),
        ({"learner": "nobody"}, 409, b"balance"),
        ({"cohorts": ()}, 409, b"not-visible"),
        ({"country": "GBR"}, 400, b"malformed"),
        ({"learner": "x" * 101}, 400, b"malformed"),
        ({"cohorts": ("x",) * 101}, 400, b"malformed"),
    ],
)
async def test_a_wish_that_cannot_be_granted_is_refused_and_takes_nothing(
    hand: Hand, changes: dict[str, Any], status: int, code: bytes
) -> None:
    before = await hand.under_test.wallets(CAMPUS)
    answer = await post(hand, "/v1/redemptions", wish(hand, **changes))
    assert (answer.status, code in answer.body) == (status, True)
    assert await hand.under_test.wallets(CAMPUS) == before


async def test_a_wish_signed_for_another_purpose_or_by_a_suspended_campus_is_refused(hand: Hand) -> None:
    assert (await post(hand, "/v1/redemptions", wish(hand), tag=signing.ASK_TAG)).status == 401
    await hand.under_test.set_state(CAMPUS, "suspended")
    assert (await post(hand, "/v1/redemptions", wish(hand))).status == 403


async def test_only_what_waits_can_be_cancelled_and_by_its_learner_alone(hand: Hand) -> None:
    made = said(hand, await post(hand, "/v1/redemptions", wish(hand)))
    fields = {"campus": CAMPUS, "agent": hand.agent, "redemption": made["redemption"], "why": "changed her mind"}
    other = await post(hand, "/v1/redemptions/cancel", Cancel(learner="learner2", **fields))
    assert (other.status, b"unknown-redemption" in other.body) == (404, True)
    late = await post(hand, "/v1/redemptions/cancel", Cancel(learner="learner1", **fields))
    assert (late.status, b"not possible" in late.body) == (409, True)
    gone = await hand.client.get_signed("/v1/redemptions/r0", campus=CAMPUS, agent=hand.agent)
    assert gone.status == 404


async def test_vouchers_of_another_key_are_told_to_the_operator_and_asked_for_again_later(
    hand: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = hand.under_test
    assert isinstance(real, RealCatalogue)
    card = shelf.described({"id": "card", "title": "Card", "price": {"points": 50}, "handing": "codes"})
    async with real.store.writing() as conn:
        await shelf.put(conn, CAMPUS, card, now=1)
        await shelf.approve(conn, CAMPUS, CAMPUS, "card", approved=True, now=1)
        await pool.add(conn, Vault(bytes(32)), CAMPUS, CAMPUS, "card", [pool.Code("abc", None)], now=1)
    made = [
        said(hand, await post(hand, "/v1/redemptions", wish(hand, reward=name, key=name))) for name in ("tea", "card")
    ]
    async with running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db", secret=b"x" * 32) as other:
        there = hand.moved_to(other)
        for one in made:
            answer = await there.client.get_signed(
                f"/v1/redemptions/{one['redemption']}", campus=CAMPUS, agent=hand.agent
            )
            assert (answer.status, orjson.loads(answer.body)["error"]) == (503, "operator")
            assert "put back your copy of it" in capsys.readouterr().out
        await Vouchers(Desk(other.store, Vault(b"x" * 32))).look()
        assert "vouchers_unreadable" in capsys.readouterr().out
        await there.client.close()
    await Vouchers(Desk(real.store, Vault(bytes(32)))).look()
    assert "cannot be opened" not in capsys.readouterr().out
