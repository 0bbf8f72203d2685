"""Badges on a real ledger: after approvals and corrections, by hand, and what new criteria find of what was before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import pytest

from agent.errors import InvalidInputError
from agent.ledger import corrections, file
from agent.ledger.corrections import Correction
from agent.ledger.verify import verify
from agent.model import Trust
from agent.recognition.byhand import ByHand
from agent.recognition.following import Following
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.ledgers import rows
from tests.pipelines import Running, running
from tests.rule_stories import ZONE, event, rule

HEAD = f'schema = 1\ntimezone = "{ZONE}"\n'
RULES = (
    HEAD
    + rule(more='reverse_on = "lesson.uncompleted"', name="lesson")
    + rule("quiz.submitted", 'badge = "ace"', name="quiz", award="5")
    + '[[badge]]\nid = "ace"\n'
    + '[[badge]]\nid = "two"\ncount = { rule = "lesson", at_least = 2 }\nsticky = false\n'
    + '[[badge]]\nid = "kept"\ncount = { rule = "lesson", at_least = 2 }\n'
    + '[[badge]]\nid = "rich"\nbalance = { currency = "points", at_least = 100, of = "current" }\nsticky = false\n'
    + '[[badge]]\nid = "nominee"\nassign = { by = ["desk", "dean"], limit = "1/month", total = "2/ever" }\n'
    + '[[badge]]\nid = "honoured"\nall_of = ["nominee", "kept"]\nsticky = false\n'
)
BY = Correction(reason="because", by="desk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A running pipeline with what people can do."""

    ledger: Running
    hand: ByHand
    following: Following

    def badges(self) -> set[str]:
        """`ann two`, for everybody who has one."""
        sql = (
            "SELECT p.lms_user || ' ' || substr(b.currency, 7) FROM balance b JOIN person p USING (person_no)"
            " WHERE b.currency LIKE 'badge:%' AND b.amount > 0"
        )
        assert (
            rows(self.ledger.data_dir, "SELECT 1 FROM balance WHERE currency LIKE 'badge:%' AND amount NOT IN (0, 1)")
            == []
        )
        return {one for (one,) in rows(self.ledger.data_dir, sql)}

    def sound(self) -> None:
        """Everything that was written verifies."""
        with file.reading(self.ledger.data_dir) as connection:
            assert verify(connection).findings == ()

    async def adjust(self, amount: int) -> None:
        """Points by hand."""

        async def unit(connection: aiosqlite.Connection) -> object:
            return await corrections.adjust(
                connection,
                self.ledger.recorder,
                learner="moodle:ann",
                currency="points",
                amount=amount,
                correction=BY,
                now=NOW,
            )

        await self.ledger.writer.run(self.following.after(unit, NOW))

    async def reverse(self, seq: int) -> None:
        """An entry answered by hand."""

        async def unit(connection: aiosqlite.Connection) -> object:
            return await corrections.reverse(connection, self.ledger.recorder, seq=seq, correction=BY, now=NOW)

        await self.ledger.writer.run(self.following.after(unit, NOW))

    async def lessons(self, *numbers: int) -> None:
        """Ann completes lessons."""
        await self.ledger.take(*(event(lesson=str(n), key=str(n)).seen for n in numbers))


def place(ledger: Running) -> Place:
    """What people can do with this ledger."""
    following = Following(ledger.pipeline, ledger.recorder)
    hand = ByHand(ledger.writer, ledger.recorder, ledger.pipeline, following, ManualClock(NOW))
    return Place(ledger=ledger, hand=hand, following=following)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Place]:
    """An empty ledger under the rules."""
    async with running(tmp_path, RULES) as ledger:
        yield place(ledger)


async def test_what_is_given_and_taken_by_hand_brings_badges_and_takes_those_that_are_not_sticky(desk: Place) -> None:
    await desk.lessons(1, 2)
    assert desk.badges() == {"ann two", "ann kept"}
    await desk.adjust(80)
    assert desk.badges() == {"ann two", "ann kept", "ann rich"}
    await desk.reverse(1)
    assert desk.badges() == {"ann kept"}
    await desk.lessons(3)
    assert desk.badges() == {"ann two", "ann kept", "ann rich"}
    desk.sound()


async def test_an_approval_brings_what_follows_from_it_in_the_same_transaction(desk: Place) -> None:
    await desk.lessons(1)
    await desk.ledger.take(event(lesson="2", level=Trust.unverified).seen)
    assert desk.badges() == set()
    ((number,),) = rows(desk.ledger.data_dir, "SELECT decision_no FROM hold")
    await desk.ledger.approve(number, BY)
    assert desk.badges() == {"ann two", "ann kept"}
    told = rows(desk.ledger.data_dir, "SELECT reason FROM decision WHERE reason LIKE 'earned%'")
    assert told == [("earned: 2 of 2 awards of lesson",)] * 2
    desk.sound()


async def test_a_badge_given_by_hand_has_its_giver_and_message_and_brings_what_follows(desk: Place) -> None:
    await desk.lessons(1, 2)
    await desk.hand.assign(badge="nominee", learner="moodle:ann", by="desk", message="for her idea")
    assert desk.badges() == {"ann two", "ann kept", "ann nominee", "ann honoured"}
    sql = "SELECT CAST(body AS TEXT) ->> 'reason' FROM entry WHERE CAST(body AS TEXT) ->> 'currency' = 'badge:nominee'"
    assert rows(desk.ledger.data_dir, sql) == [("given by hand: for her idea (by desk)",)]
    await desk.hand.revoke(badge="nominee", learner="moodle:ann", by="dean", reason="withdrawn")
    assert desk.badges() == {"ann two", "ann kept"}
    assert rows(desk.ledger.data_dir, sql)[1:] == [("withdrawn (by dean)",)]
    desk.sound()


async def test_who_may_give_how_often_and_to_whom_is_kept_to_and_told(desk: Place) -> None:
    async def refused(learner: str, by: str, badge: str = "nominee") -> str:
        with pytest.raises(InvalidInputError) as caught:
            await desk.hand.assign(badge=badge, learner=learner, by=by)
        return caught.value.message

    assert await refused("moodle:ann", "me") == "this cannot be given: me may not give it: only desk, dean"
    await desk.hand.assign(badge="nominee", learner="moodle:ann", by="desk")
    assert await refused("moodle:ann", "dean") == "moodle:ann has the badge nominee already"
    assert (await refused("moodle:ben", "desk")).startswith("this cannot be given: limit 1/month of desk (until ")
    await desk.hand.assign(badge="nominee", learner="moodle:ben", by="dean")
    assert (
        await refused("moodle:cid", "dean")
        == "this cannot be given: limit 1/month of dean (until 2026-09-30 22:00 UTC)"
    )
    assert await refused("nobody", "dean") == "'nobody' is no learner"
    assert await refused("moodle:cid", "dean", "nominated") == "there is no badge 'nominated'"
    desk.sound()


async def test_what_was_taken_by_hand_comes_again_only_by_hand(desk: Place) -> None:
    await desk.lessons(1, 2)
    await desk.hand.revoke(badge="kept", learner="moodle:ann", by="desk", reason="copied")
    await desk.lessons(3)
    await desk.ledger.take(event("quiz.submitted", lesson="4").seen)
    await desk.hand.revoke(badge="ace", learner="moodle:ann", by="desk", reason="copied")
    await desk.ledger.take(event("quiz.submitted", lesson="5").seen)
    assert desk.badges() == {"ann two"}
    await desk.hand.assign(badge="kept", learner="moodle:ann", by="desk")
    assert desk.badges() == {"ann two", "ann kept"}
    with pytest.raises(InvalidInputError, match="does not have the badge ace"):
        await desk.hand.revoke(badge="ace", learner="moodle:ann", by="desk", reason="again")
    desk.sound()


async def test_an_entry_of_a_badge_that_is_reversed_by_hand_is_not_given_again_at_once(desk: Place) -> None:
    await desk.lessons(1, 2)
    ((seq,),) = rows(
        desk.ledger.data_dir, "SELECT seq FROM entry WHERE CAST(body AS TEXT) ->> 'currency' = 'badge:two'"
    )
    await desk.reverse(seq)
    await desk.lessons(3)
    assert desk.badges() == {"ann kept"}
    desk.sound()


async def test_an_undo_after_a_badge_was_taken_by_hand_takes_only_the_rest(tmp_path: Path) -> None:
    text = HEAD + rule(more='reverse_on = "lesson.uncompleted"\nbadge = "b"') + '[[badge]]\nid = "b"\n'
    async with running(tmp_path, text) as ledger:
        desk = place(ledger)
        await desk.lessons(1)
        await desk.hand.revoke(badge="b", learner="moodle:ann", by="desk", reason="copied")
        await ledger.take(event("lesson.uncompleted", "2026-09-08T09:00:00", lesson="1").seen)
        assert ledger.balances() == {}
        assert ledger.balances("badge:b") == {}
        desk.sound()


async def test_new_criteria_find_what_was_before_at_the_next_award_or_when_they_are_settled(tmp_path: Path) -> None:
    plain = HEAD + rule(name="lesson")
    criteria = plain + '[[badge]]\nid = "two"\ncount = { rule = "lesson", at_least = 2 }\n'
    async with running(tmp_path, plain) as ledger:
        for who in ("ann", "ben", "cid"):
            await ledger.take(*(event(lesson=str(n), who=who, key=who).seen for n in (1, 2)))
        assert rows(tmp_path, "SELECT name FROM sqlite_schema WHERE name = 'standing'") == []
    async with running(tmp_path, criteria) as ledger:
        desk = place(ledger)
        assert rows(tmp_path, "SELECT name FROM sqlite_schema WHERE name = 'standing'") == [("standing",)]
        await desk.lessons(3)
        assert desk.badges() == {"ann two"}
        looked = await desk.hand.settle(preview=True)
        assert looked == {"cursor": None, "given": {"two": 2}, "taken": {}}
        assert desk.badges() == {"ann two"}
        assert await desk.hand.settle() == looked
        assert desk.badges() == {"ann two", "ben two", "cid two"}
        assert (await desk.hand.settle())["given"] == {}
        desk.sound()
    async with running(tmp_path, plain):
        assert rows(tmp_path, "SELECT name FROM sqlite_schema WHERE name = 'standing'") == []
