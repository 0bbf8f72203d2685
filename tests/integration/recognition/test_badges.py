"""Badges that agents' entries give and take back are awards on record: over real HTTP, on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agent.ledger import file
from agent.ledger.recovery import persons
from agent.outbox.sync import Step
from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.proof import keeping, rejected
from catalogue.recognition.agents import catching
from catalogue.tenants import Sender
from tests.contract.catalogues import Hand
from tests.integration.recognition.people import ANN, BEN, LIKES, Program
from tests.outboxes import delivering
from tests.wire_builders import NOW, an_entry
from wire import enrolment, signing
from wire.keeping import Persons, Sealed

AWARDS, POLICY = "/api/awards", "/api/kudos_policy"


@pytest.fixture
async def hand(lms: Program, tmp_path: Path) -> AsyncIterator[Hand]:
    made = Hand(lms.real, tmp_path, campus=lms.campus)
    await made.enrol(await lms.real.add_tenant(lms.campus))
    yield made
    await made.client.close()


def given(seq: int, **changes: Any) -> bytes:
    """The entry that gives Ann a badge."""
    fields = {"learner": ANN, "currency": "badge:shine", "amount": 1, "rule": "badge:shine", "event_ref": ""}
    return an_entry(seq, **(fields | changes))


def taken(seq: int, of: int, **changes: Any) -> bytes:
    """The entry that takes back what entry ``of`` gave her."""
    reason = {"kind": "reversal", "amount": -1, "reverses": f"1-{of}", "reason": "copied (by B. Desk)"}
    return given(seq, **(reason | changes))


async def awards(lms: Program, **query: str) -> list[dict[str, Any]]:
    """The newest first."""
    status, told = await lms.does("GET", AWARDS, **query)
    assert status == 200, told
    rows: list[dict[str, Any]] = told["rows"]
    return rows


async def states(lms: Program) -> list[tuple[str, str]]:
    """(badge, state) of each, the oldest first."""
    return [(one["badge"], one["state"]) for one in reversed(await awards(lms, all="true"))]


async def test_whatever_gives_a_badge_its_entry_is_an_award_that_the_learner_sees_at_first_alone(
    lms: Program, hand: Hand
) -> None:
    earned = given(1, currency="badge:ace", rule="quiz-80")
    await hand.deliver([earned, given(2, reason="given by hand: a fine idea (by B. Desk)"), an_entry(3, learner=ANN)])
    by_hand, by_rule = await awards(lms, viewer=ANN)
    assert (by_rule["badge"], by_rule["given_at"]) == ("ace", NOW + 1)
    assert by_hand | {"id": 0, "badge": "ace", "given_at": NOW + 1} == by_rule | {"id": 0}, "there is one way"
    assert (by_hand["giver"], by_hand["receiver"], by_hand["seen"]) == ("", ANN, "pair")
    (told, _) = await awards(lms, all="true")
    assert (told["given_by"], told["message"]) == (f"agent {hand.agent}", ""), "what was typed stays in the entry"
    assert await awards(lms, viewer=BEN) == []
    await lms.does("PATCH", POLICY, {"badges": "campus"})
    await lms.refused("policy", await lms.does("PATCH", POLICY, {"badges": "anonymous"}))
    await hand.deliver([given(4, currency="badge:helper")])
    (open_to_all,) = await awards(lms, viewer=BEN)
    assert open_to_all["badge"] == "helper"
    assert (await lms.does("PUT", f"{LIKES}/{open_to_all['id']}/{BEN}"))[0] < 300
    assert (await awards(lms, viewer=ANN))[0]["likes"] == 1


async def test_what_takes_a_badge_back_revokes_its_award_in_the_same_batch_or_later(lms: Program, hand: Hand) -> None:
    await hand.deliver([given(1), taken(2, 1), given(3)])
    assert await states(lms) == [("shine", "revoked"), ("shine", "shown")]
    await hand.deliver([taken(4, 3), given(5), taken(6, 4711)])
    assert await states(lms) == [("shine", "revoked"), ("shine", "revoked"), ("shine", "shown")]
    _, second, _ = await awards(lms, all="true")
    assert (second["ended_at"], second["ended_by"], second["why"]) == (NOW + 4, f"agent {hand.agent}", "")
    table, heads = schema.recognition.c, schema.recognition_head.c
    async with lms.real.store.reading() as conn:
        rows = await conn.execute(select(table.no, table.ended_no).where(table.campus == lms.campus))
        numbers = [no for row in rows for no in row if no is not None]
        head = await conn.scalar(select(heads.no).where(heads.campus == lms.campus))
    assert sorted(numbers) == [1, 2, 3, 4, 5], "no number is given twice"
    assert head == 5


async def test_a_badge_that_was_set_aside_is_an_award_once_its_entry_is_accepted(lms: Program, hand: Hand) -> None:
    async with lms.real.store.writing() as conn:
        await conn.execute(
            schema.wallet.insert(),
            {"campus": lms.campus, "learner": ANN, "currency": "badge:shine", "balance": 10**18, "earned": 0}
            | {"last_no": 0, "last_at": 0},
        )
    await hand.deliver([given(1)])
    assert await states(lms) == []
    wallet = schema.wallet
    async with lms.real.store.writing() as conn:
        await conn.execute(wallet.update().where(wallet.c.currency == "badge:shine").values(balance=0))
    said = Act(campus=lms.campus, by="a test", at=NOW, act="entry.accept", about="", why="looked at")
    concerned = acts.rows(schema.accepted_entry, campus=lms.campus, agent=hand.agent, seq=1)
    async with acts.acting(lms.real.store, said, concerned) as conn:
        await rejected.accept(lms.real.store, conn, lms.campus, hand.agent, 1, by="a test", reason="looked at", now=NOW)
    assert await states(lms) == [("shine", "shown")]


async def test_an_erased_learner_leaves_no_award_of_a_badge(lms: Program, hand: Hand) -> None:
    await hand.deliver([given(1), given(2, learner=BEN)])
    body = Persons(campus=lms.campus, agent=hand.agent, persons=(), gone=(ANN,)).encode()
    key_id = enrolment.agent_key_id(lms.campus, hand.agent, hand.key.fingerprint)
    answer = await hand.client.post_signed("/v1/persons", body, key=hand.key, key_id=key_id, tag=signing.KEEP_TAG)
    assert answer.status == 200, answer.body
    assert [one["receiver"] for one in await awards(lms, all="true")] == [BEN]
    await hand.deliver([taken(3, 1)])
    assert [(one["receiver"], one["state"]) for one in await awards(lms, all="true")] == [(BEN, "shown")]


async def test_an_agent_that_has_somebody_forgotten_says_so_again_after_what_it_had_not_delivered_yet(
    lms: Program, tmp_path: Path
) -> None:
    (tmp_path / "agent").mkdir()
    token = await lms.real.add_tenant(lms.campus)
    async with delivering(tmp_path / "agent", lms.real.url, token, campus=lms.campus) as agent:
        await agent.append([given(1), given(2, learner=BEN)])
        await agent.writer.run(lambda conn: conn.execute("INSERT INTO forgotten (pseudonym) VALUES (?)", (ANN,)))
        assert await agent.step() is Step.delivered
        assert [one["receiver"] for one in await awards(lms, all="true")] == [BEN, ANN]
        assert await agent.drain()
        assert [one["receiver"] for one in await awards(lms, all="true")] == [BEN]
        with closing(file.open_for_reading(agent.data_dir)) as connection:
            assert persons.unforgotten(connection) == 0


async def test_badges_of_before_they_were_awards_are_caught_up_once_and_of_nobody_erased(
    lms: Program, hand: Hand
) -> None:
    """As if the catalogue of before had posted them: the entries moved the accounts, and nothing is on record."""
    await hand.deliver([given(1), given(2, learner=BEN), given(3), taken(4, 3), given(5, learner="gone"), an_entry(6)])
    was = await states(lms)
    async with lms.real.store.writing() as conn:
        await conn.execute(schema.recognition.delete().where(schema.recognition.c.campus == lms.campus))
    sealed = [Sealed(name=name, sealed=b"x") for name in (ANN, BEN)]
    await hand.deliver([given(7), taken(8, 1)])
    async with lms.real.store.writing() as conn:
        await keeping.keep(
            conn, sender_of(hand), Persons(campus=lms.campus, agent=hand.agent, persons=tuple(sealed)), now=1
        )
        first = await catching.some(conn, lms.campus, 0)
        again = await catching.some(conn, lms.campus, 0)
    assert was == [("shine", "shown"), ("shine", "shown"), ("shine", "revoked"), ("shine", "shown")]
    assert (first.made, first.left_out, first.more) == (3, 1, False)
    assert (again.made, again.left_out) == (0, 1)
    found = [(one["receiver"], one["given_at"] - NOW, one["state"]) for one in reversed(await awards(lms, all="true"))]
    caught = [(ANN, 1, "revoked"), (BEN, 2, "shown"), (ANN, 3, "revoked")]
    assert sorted(found) == sorted([(ANN, 7, "shown"), *caught])


def sender_of(hand: Hand) -> Sender:
    return Sender(
        campus=hand.campus,
        agent=hand.agent,
        environment="production",
        public=bytes(32),
        tenant_state="active",
        agent_state="active",
        key_state="active",
        replaced_by=None,
    )
