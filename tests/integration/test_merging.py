"""Two accounts of one person become one, on a real ledger: nothing is lost, nothing is paid twice."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from agent.errors import InvalidInputError
from agent.ledger import corrections, file, projections, reading
from agent.ledger.corrections import Correction
from agent.ledger.delivery import KeptReceipt
from agent.ledger.money import accounts
from agent.ledger.recovery import persons
from agent.ledger.recovery.rebuilding import Rebuilding
from agent.model import Decision, Event, Evidence
from agent.recognition.byhand import ByHand
from agent.recognition.following import Following
from agent.recognition.merging import Merging
from agent.schedule.expiry import Expiry
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.ledgers import found, rows
from tests.pipelines import Running, running
from tests.rule_stories import ZONE, event, rule
from wire import chain
from wire.receipt import Receipt

HEAD = f'schema = 1\ntimezone = "{ZONE}"\n'
RULES = (
    HEAD
    + rule(more='reverse_on = "lesson.uncompleted"\nlimit = "3/week"')
    + rule("user.logged_in", 'once_per = "event"', name="login", award="1")
    + rule("course.completed", 'badge = "done"', name="course", award="20")
)


class Desk:
    """An agent whose accounts can be merged."""

    def __init__(self, here: Running) -> None:
        self.here = here
        following = Following(here.pipeline, here.recorder)
        self.merging = Merging(here.writer, here.recorder, here.pipeline, following, ManualClock(NOW))

    async def merge(self, source: str = "ben", target: str = "ann", *, preview: bool = False) -> dict[str, Any]:
        return await self.merging.merge(
            source=f"moodle:{source}", target=f"moodle:{target}", reason="one person", by="B. Desk", preview=preview
        )

    def balance(self, who: str, currency: str = "points") -> int:
        sql = "SELECT b.amount FROM balance b JOIN person p USING (person_no) WHERE p.lms_user = ? AND b.currency = ?"
        return sum(amount for (amount,) in rows(self.here.data_dir, sql, who, currency))


@asynccontextmanager
async def desk(directory: Path, text: str = RULES) -> AsyncIterator[Desk]:
    async with running(directory, text) as here:
        yield Desk(here)
        assert found(directory) == [], "the chain and what follows from it are whole"


def lesson(number: int, who: str, hour: int = 9, day: int = 7, kind: str = "lesson.completed") -> Event:
    return event(kind, f"2026-09-{day:02d}T{hour:02d}:00:00", who, lesson=str(number), key=f"{kind}{number}{who}{hour}")


async def test_what_one_account_has_is_the_others_and_both_balances_are_explained(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(lesson(1, "ann").seen, lesson(2, "ben").seen)
        told = await it.merge()
        assert (told["gains"], told["given_back"]) == ({"points": 10}, {})
        assert (it.balance("ann"), it.balance("ben")) == (20, 0)
        said = "SELECT CAST(body AS TEXT) ->> 'kind', CAST(body AS TEXT) ->> 'reason' FROM entry WHERE seq > 2"
        assert rows(tmp_path, said) == [
            ("reversal", "merged: one person (by B. Desk)"),
            ("award", "merged: one person (by B. Desk); instead of 1-2"),
        ]


async def test_what_both_were_paid_for_is_paid_once_and_the_earlier_act_stands(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(lesson(1, "ann", 9).seen, lesson(1, "ben", 10).seen, lesson(2, "ann", 12).seen)
        await it.here.take(lesson(2, "ben", 11).seen)
        told = await it.merge()
        assert (it.balance("ann"), it.balance("ben")) == (20, 0)
        assert [(one["change"], one["of"], one["entries"]) for one in told["changes"]] == [
            ("compensated", "from", ["1-2"]),
            ("compensated", "into", ["1-3"]),
            ("moved", "from", ["1-4"]),
        ]
        when = rows(
            tmp_path,
            "SELECT u.at FROM quota_use u JOIN name n ON n.no = u.meter_no JOIN person p USING (person_no)"
            " WHERE n.text = 'once:r' AND u.bucket LIKE '%:2' AND p.lms_user = 'ann' AND u.freed = 0",
        )
        assert when == [(lesson(2, "ben", 11).seen.occurred_at,)]


ROUNDS = """
[[challenge]]
id = "reader"
award = 10
repeat = true
  [[challenge.step]]
  on = "lesson.completed"
  count = 2
"""
STRETCHES = rule(more="streak = { days = 2, repeat = true }")
BURSTS = rule(more='momentum = { lessons = 2, within = "4h", repeat = true }')


def lessons_of(who: str, *days: int) -> list[Any]:
    """Two of each day, an hour apart, that nobody else does."""
    return [
        event("lesson.completed", f"2026-09-{day:02d}T{hour:02d}:00:00", who, lesson=f"{who}-{day}-{hour}").seen
        for day in days
        for hour in (9, 10)
    ]


@pytest.mark.parametrize("text", [ROUNDS, STRETCHES, BURSTS], ids=["rounds", "stretches", "bursts"])
async def test_what_pays_again_and_again_is_worth_what_both_did_together(tmp_path: Path, text: str) -> None:
    async with desk(tmp_path, HEAD + text) as it:
        await it.here.take(*lessons_of("ann", 7, 8), *lessons_of("ben", 14, 15, 21, 22))
        before = it.balance("ann") + it.balance("ben")
        assert it.balance("ann") < it.balance("ben")
        told = await it.merge()
        assert (told["given_back"], it.balance("ann"), it.balance("ben")) == ({}, before, 0)
        await it.here.take(*lessons_of("ann", 28, 29))
        again = it.balance("ann")
        await it.here.take(*lessons_of("ann", 28, 29))
        assert it.balance("ann") == again > before


async def test_days_that_both_were_there_are_one_stretch(tmp_path: Path) -> None:
    async with desk(tmp_path, HEAD + STRETCHES) as it:
        await it.here.take(*lessons_of("ann", 7, 8), *lessons_of("ben", 7, 8, 14, 15))
        assert (it.balance("ann"), it.balance("ben")) == (10, 20)
        told = await it.merge()
        assert (told["given_back"], it.balance("ann"), it.balance("ben")) == ({"points": 10}, 20, 0)


async def test_a_preview_says_the_same_and_changes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(lesson(1, "ann").seen, lesson(1, "ben", 10).seen, lesson(2, "ben").seen)
        before = it.here.entries()
        seen = await it.merge(preview=True)
        assert it.here.entries() == before
        assert rows(tmp_path, "SELECT * FROM alias") == []
        done = await it.merge()
        assert {**seen, "preview": False} == done
        again = await it.merge()
        assert (again["already"], again["changes"]) == (True, [])


async def test_later_acts_of_the_one_are_the_others_and_count_with_theirs(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(lesson(1, "ann").seen, lesson(2, "ben").seen)
        await it.merge()
        await it.here.take(lesson(1, "ben", 13).seen, lesson(3, "ben", 14).seen, lesson(4, "ann", 15).seen)
        assert (it.balance("ann"), it.balance("ben")) == (30, 0), "once for lesson 1, three a week"
        assert [one for one in it.here.reasons() if not one.startswith("merged")] == ["once_per lesson", "limit 3/week"]


async def test_what_is_undone_after_a_merge_is_taken_back_from_who_has_it_now(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(lesson(2, "ben").seen)
        await it.merge()
        await it.here.take(lesson(2, "ben", 12, kind="lesson.uncompleted").seen)
        assert (it.balance("ann"), it.balance("ben")) == (0, 0)
        await it.here.take(lesson(2, "ben", 13).seen)
        assert it.balance("ann") == 10


async def test_a_badge_is_had_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(
            event("course.completed", who="ann", course="1").seen,
            event("course.completed", who="ben", course="2", key="b").seen,
            event("course.completed", who="ben", course="3", key="c").seen,
        )
        await it.merge()
        assert (it.balance("ann", "badge:done"), it.balance("ben", "badge:done")) == (1, 0)
        assert it.balance("ben") == 0


async def test_adjustments_move_with_their_reason(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:

        async def unit(connection: Any) -> int:
            return await corrections.adjust(
                connection, it.here.recorder, learner="moodle:ben", currency="points", amount=-3,
                correction=Correction(reason="lost card", by="B."), now=NOW,
            )  # fmt: skip

        await it.here.writer.run(unit)
        await it.merge()
        assert (it.balance("ann"), it.balance("ben")) == (-3, 0)


async def test_chains_of_merges_end_where_the_last_one_ends(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(lesson(1, "cem").seen, lesson(2, "ben").seen)
        await it.merge("cem", "ben")
        await it.merge("ben", "ann")
        await it.here.take(lesson(1, "cem", 13).seen, lesson(3, "cem", 14).seen)
        assert [it.balance(who) for who in ("ann", "ben", "cem")] == [30, 0, 0]
        assert (await it.merge("cem", "ann"))["already"]
        with pytest.raises(InvalidInputError, match="into itself"):
            await it.merge("ann", "cem")


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("moodle:ann", "moodle:ann", "into itself"),
        ("moodle:ben", "moodle:cem", "was merged into moodle:ann already"),
        ("ann", "moodle:ben", "no learner"),
    ],
)
async def test_what_cannot_be_merged_is_told(tmp_path: Path, source: str, target: str, told: str) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(lesson(1, "ben").seen)
        await it.merge()
        with pytest.raises(InvalidInputError, match=told):
            await it.merging.merge(source=source, target=target, reason="r", by="b")


def login(user: str, related: str | None, second: int) -> Event:
    """A row of the log as the natural key of Moodle tells it."""
    one = event("user.logged_in", 1_790_000_000 + second, user)
    key = (r"\core\event\user_loggedin", user, related or "0", "user", user, "1", str(second), "")
    people = {"actor": user, "subject": related or user}
    return replace(one, seen=replace(one.seen, natural_key=key, people=people))


async def test_rows_that_a_merge_plugin_rewrote_are_known_and_pay_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(login("36", None, 1).seen, login("36", "36", 2).seen, login("35", None, 3).seen)
        await it.merge("36", "35")
        paid = it.here.entries()
        rewritten = [replace(one, seen=replace(one.seen, natural_key=key, people=people)) for one, key, people in (
            (login("36", None, 1), (r"\core\event\user_loggedin", "35", "0", "user", "36", "1", "1", ""),
             {"actor": "35", "subject": "35"}),
            (login("36", "36", 2), (r"\core\event\user_loggedin", "35", "36", "user", "36", "1", "2", ""),
             {"actor": "35", "subject": "36"}),
            (login("35", None, 3), login("35", None, 3).seen.natural_key, {"actor": "35", "subject": "35"}),
        )]  # fmt: skip
        await it.here.take(*[one.seen for one in rewritten])
        await it.here.take(login("36", None, 1).seen, login("36", "36", 2).seen)
        assert it.here.entries() == paid
        assert it.balance("35") == 3


async def test_an_agent_that_starts_again_knows_its_aliases(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(lesson(1, "ben").seen)
        await it.merge()
    async with desk(tmp_path) as it:
        await it.here.take(lesson(2, "ben", 12).seen)
        assert (it.balance("ann"), it.balance("ben")) == (20, 0)


async def test_the_balances_rebuilt_from_the_entries_are_the_running_ones(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.here.take(lesson(1, "ann").seen, lesson(1, "ben", 8).seen, lesson(2, "ben").seen)
        await it.merge()
        assert (await it.here.writer.run(projections.rebuild))[1] == 0


async def test_what_waits_for_the_one_waits_for_the_other_and_is_paid_to_them(tmp_path: Path) -> None:
    text = HEAD + rule(more='min_trust = "server_verified"')
    async with desk(tmp_path, text) as it:
        held = lesson(2, "ben").seen
        await it.here.take(replace(held, evidence=Evidence.address, marks=frozenset()), lesson(1, "ann").seen)
        ((number, whose),) = rows(tmp_path, "SELECT decision_no, learner FROM hold WHERE state = 'open'")
        assert whose == "moodle:ben"
        await it.merge()
        with contextlib.closing(file.open_for_reading(tmp_path)) as connection:
            assert [one.decision_no for one in reading.holds(connection, learner="moodle:ann")] == [number]
        await it.here.approve(number, Correction(reason="seen", by="B."))
        assert (it.balance("ann"), it.balance("ben")) == (20, 0)


async def test_what_had_expired_does_not_come_back_with_the_account(tmp_path: Path) -> None:
    text = HEAD + rule() + '[currency.points]\nexpires_after = "30d"\n'
    async with desk(tmp_path, text) as it:
        clock = ManualClock(NOW)
        expiry = Expiry(it.here.writer, it.here.pipeline, clock, active=True)
        await expiry.adopt()
        await it.here.take(lesson(1, "ben").seen)
        clock.at += 30 * 86_400
        await expiry.look()
        await it.here.take(lesson(2, "ben").seen)
        await it.merge()
        with contextlib.closing(file.open_for_reading(tmp_path)) as connection:
            ann, ben = (accounts.of_learner(connection, f"moodle:{who}", "points") for who in ("ann", "ben"))
        assert (ann.balance, ben.balance, ben.debt) == (10, 0, 0)


async def test_a_lot_keeps_its_time_and_its_terms_through_any_number_of_merges(tmp_path: Path) -> None:
    kept, short = (HEAD + rule() + f'[currency.points]\nexpires_after = "{time}"\n' for time in ("never", "30d"))
    for text, number in ((kept, 1), (short, 2)):
        async with desk(tmp_path, text) as it:
            await Expiry(it.here.writer, it.here.pipeline, ManualClock(NOW), active=True).adopt()
            await it.here.take(lesson(number, "cem").seen)
    async with desk(tmp_path, short) as it:
        await it.merge("cem", "ben")
        await it.merge("ben", "ann")
        with contextlib.closing(file.open_for_reading(tmp_path)) as connection:
            lots = accounts.of_learner(connection, "moodle:ann", "points").lots
        assert [lot.expires_at for lot in lots] == [lesson(2, "cem").seen.occurred_at + 30 * 86_400, None]


def brought_back(before: Path, after: Path) -> None:
    """Put a ledger together anew from what another delivered, as after a lost disk."""
    after.mkdir(mode=0o700)
    path = after / file.FILE_NAME
    with (
        contextlib.closing(sqlite3.connect(before / file.FILE_NAME)) as old,
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as new,
    ):
        file.migrate(new, path)
        bodies = [body for (body,) in old.execute("SELECT body FROM entry ORDER BY seq")]
        receipt = Receipt(
            campus="c", agent="a", epoch=1, first_seq=1, last_seq=len(bodies), digest=b"", head=chain.GENESIS,
            accepted=len(bodies), rejected=(), received_at=NOW,
        )  # fmt: skip
        made = Rebuilding(new, persons.all_of(old))
        made.add(bodies, KeptReceipt(receipt=receipt, body=b"", signature=""))
        made.finish({}, {}, (), now=NOW)


async def test_what_a_restore_brought_back_and_a_merge_moved_is_known_when_its_act_comes_again(tmp_path: Path) -> None:
    """A form that is sent again after a restore was paid once more, where its account had been merged meanwhile."""
    acts = [lesson(1, "ben"), lesson(2, "ben")]
    async with desk(tmp_path / "before") as it:
        await it.here.take(*(act.seen for act in acts))
    brought_back(tmp_path / "before", tmp_path / "after")
    async with desk(tmp_path / "after") as it:
        assert (await it.merge())["gains"] == {"points": 20}
        await it.here.take(acts[0].seen)
        assert found(tmp_path / "after") == []
        await it.here.take(acts[1].seen, lesson(1, "ben", hour=11).seen, lesson(2, "ann", hour=12).seen)
        assert (it.balance("ann"), it.balance("ben")) == (20, 0), "paid once, and once in each lesson"
        await it.here.take(lesson(2, "ben", hour=13, kind="lesson.uncompleted").seen)
        assert it.balance("ann") == 10, "an undo finds what stands"
    brought_back(tmp_path / "after", tmp_path / "again")
    async with desk(tmp_path / "again") as it:
        await it.here.take(*(act.seen for act in acts))
        assert (it.balance("ann"), it.balance("ben")) == (10, 0), "and so after a second loss"


@pytest.mark.parametrize("target", ["ann", "ben"])
async def test_what_a_restore_brought_back_and_came_again_as_anothers_is_paid_once_when_they_are_merged(
    tmp_path: Path, target: str
) -> None:
    """The restore did not know that the two were one, and a form that was sent again was paid to the other account."""
    async with desk(tmp_path / "before") as it:
        await it.here.take(lesson(3, "ben").seen)
        await it.merge()
        await it.here.take(lesson(1, "ben").seen)
        assert (it.balance("ann"), it.balance("ben")) == (20, 0)
    brought_back(tmp_path / "before", tmp_path / "after")
    with contextlib.closing(sqlite3.connect(tmp_path / "after" / file.FILE_NAME, isolation_level=None)) as connection:
        connection.execute("DELETE FROM alias")
    async with desk(tmp_path / "after") as it:
        await it.here.take(lesson(1, "ben").seen, lesson(2, "ben").seen)
        assert (it.balance("ann"), it.balance("ben")) == (20, 20)
        await it.merge("ben" if target == "ann" else "ann", target)
        assert it.balance("ann") + it.balance("ben") == 30, "three lessons"
        assert found(tmp_path / "after") == []
        await it.here.take(lesson(1, "ben", hour=11).seen)
        assert it.balance(target) == 30
        await it.here.take(lesson(1, "ben", hour=13, kind="lesson.uncompleted").seen)
        assert it.balance(target) == 20, "an undo finds what stands"


REFERRED = (
    HEAD
    + '[person]\nreferrer = { profile_field = "r" }\n'
    + rule(
        award='[{ to = "referrer", points = 5 }, { to = "subject", points = 10 }]',
        more='reverse_on = "lesson.uncompleted"',
    )
)


def referred(number: int, hour: int, kind: str = "lesson.completed") -> Event:
    one = lesson(number, "ann", hour, kind=kind)
    return replace(one, seen=replace(one.seen, people={**one.seen.people, "referrer": "ben"}))


@pytest.mark.parametrize("who", ["ann", "ben"])
async def test_what_a_referrer_got_is_undone_with_the_act_whichever_of_the_two_was_merged(
    tmp_path: Path, who: str
) -> None:
    async with desk(tmp_path, REFERRED) as it:
        await it.here.take(referred(1, 9).seen, referred(2, 9).seen)
        await it.merge(who, "cat")
        assert sum(it.balance(one) for one in ("ann", "ben", "cat")) == 30
        for hour in (10, 11):  # what was undone is undone once, however often that is told
            await it.here.take(referred(1, hour, "lesson.uncompleted").seen)
            assert sum(it.balance(one) for one in ("ann", "ben", "cat")) == 15


async def test_what_a_referrer_is_promised_falls_with_the_act_of_an_account_that_was_merged(tmp_path: Path) -> None:
    async with desk(tmp_path, REFERRED.replace("reverse_on", 'review = "always"\nreverse_on')) as it:
        await it.here.take(referred(1, 9).seen)
        await it.merge("ann", "cat")
        await it.here.take(referred(1, 10, "lesson.uncompleted").seen)
        assert rows(tmp_path, "SELECT state FROM hold") == [("superseded",), ("superseded",)]


async def test_a_merged_award_says_in_which_role_it_was_earned(tmp_path: Path) -> None:
    async with desk(tmp_path, REFERRED) as it:
        await it.here.take(referred(1, 9).seen)
        await it.merge("ben", "cat")
        assert rows(tmp_path, "SELECT role, learner FROM decision ORDER BY decision_no") == [
            ("referrer", "moodle:ben"),
            ("subject", "moodle:ann"),
            ("referrer", "moodle:ben"),
            ("referrer", "moodle:cat"),
        ]


async def test_nobody_refers_themselves_also_by_two_accounts_of_another_site(tmp_path: Path) -> None:
    async with desk(tmp_path, REFERRED) as it:
        for one in ("ann", "ben"):
            await it.merging.merge(source=f"moodle:{one}", target="shop:1", reason="one person", by="B. Desk")
        await it.here.take(referred(1, 9).seen)
        assert (it.balance("1"), it.here.reasons()) == (10, ["no referrer"])


class Broken(Following):
    """Lets nothing stand of what it is asked to follow."""

    async def since(self, connection: aiosqlite.Connection, before: int, now: int) -> list[Decision]:
        raise InvalidInputError("there is no room")


async def test_what_is_given_by_hand_after_a_merge_that_was_rolled_back_is_of_the_account_that_was_named(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as it:
        here, clock = it.here, ManualClock(NOW)
        following = Following(here.pipeline, here.recorder)
        await here.take(lesson(1, "ann").seen, replace(lesson(2, "ben").seen, evidence=Evidence.nothing))
        broken = Merging(here.writer, here.recorder, here.pipeline, Broken(here.pipeline, here.recorder), clock)
        with pytest.raises(InvalidInputError, match="no room"):
            await broken.merge(source="moodle:ben", target="moodle:ann", reason="one person", by="B. Desk")
        hand = ByHand(here.writer, here.recorder, here.pipeline, following, clock)
        assert (await hand.assign(badge="done", learner="moodle:ben", by="B. Desk"))["learner"] == "moodle:ben"
        assert (it.balance("ann", "badge:done"), it.balance("ben", "badge:done")) == (0, 1)


PROGRAMME = (
    HEAD
    + '[programme.p]\ncourses = ["id:1", "id:2"]\npass = "completed"\n'
    + rule("programme.completed", name="whole", more='once_per = "event"')
)


def course(number: int, who: str, hour: int = 9) -> Event:
    return event("course.completed", f"2026-09-07T{hour:02d}:00:00", who, course=str(number), key=f"{number}{who}")


async def test_a_programme_that_two_accounts_passed_only_together_is_paid_when_they_are_merged(tmp_path: Path) -> None:
    async with desk(tmp_path, PROGRAMME) as it:
        await it.here.take(course(1, "ann").seen, course(2, "ben", 10).seen, course(2, "cat").seen)
        assert it.balance("ann") == it.balance("ben") == 0
        await it.merge()
        assert (it.balance("ann"), it.balance("cat")) == (10, 0)
        when = "SELECT occurred_at FROM event WHERE event_no = (SELECT max(event_no) FROM event)"
        assert rows(tmp_path, when) == [(course(2, "ben", 10).seen.occurred_at,)]
        assert (await it.merge())["already"]
        assert it.balance("ann") == 10


async def test_a_preview_tells_what_a_programme_pays_besides_and_badges_that_follow(tmp_path: Path) -> None:
    text = PROGRAMME + rule("course.completed", name="course", award="1")
    text += '[[badge]]\nid = "rich"\nname = "Rich"\nbalance = { currency = "points", at_least = 12 }\n'
    async with desk(tmp_path, text) as it:
        await it.here.take(course(1, "ann").seen, course(2, "ben", 10).seen)
        before = it.here.entries()
        seen = await it.merge(preview=True)
        assert it.here.entries() == before
        besides = [(one["rule_id"], one["learner"], one["outcome"], one["amounts"]) for one in seen["besides"]]
        assert besides == [
            ("whole", "moodle:ann", "awarded", {"points": 10}),
            ("badge:rich", "moodle:ann", "awarded", {"badge:rich": 1}),
        ]
        assert {**seen, "preview": False} == await it.merge()
        assert (it.balance("ann"), it.balance("ann", "badge:rich"), seen["gains"]) == (12, 1, {"points": 1})
        assert (await it.merge())["besides"] == []


@pytest.mark.parametrize("whole", ["ann", "ben", "both"])
async def test_a_programme_that_an_account_passed_by_itself_is_not_paid_again_when_it_is_merged(
    tmp_path: Path, whole: str
) -> None:
    async with desk(tmp_path, PROGRAMME) as it:
        for who in ("ann", "ben"):
            await it.here.take(
                *(course(number, who).seen for number in (1, 2) if whole in {who, "both"} or number == 1)
            )
        before = it.balance("ann") + it.balance("ben")
        await it.merge()
        assert (it.balance("ann") + it.balance("ben"), before) == (before, 20 if whole == "both" else 10)


async def test_what_is_held_for_an_act_that_was_undone_at_the_other_account_waits_and_can_be_approved(
    tmp_path: Path,
) -> None:
    text = HEAD + rule(more='reverse_on = "lesson.uncompleted"\nlimit = "3/ever"')
    text += '[[check]]\nid = "v"\nvelocity = "1/10m"\nthen = "hold"\n'
    async with desk(tmp_path, text) as it:
        await it.here.take(lesson(1, "ann", 8).seen, lesson(1, "ann", 9, kind="lesson.uncompleted").seen)
        await it.here.take(lesson(9, "ben", 12).seen, replace(lesson(1, "ben", 12).seen, position=2))
        ((number,),) = rows(tmp_path, "SELECT decision_no FROM hold WHERE state = 'open'")
        await it.merge()
        await it.here.approve(number, Correction(reason="seen", by="B."))
        assert (it.balance("ann"), it.balance("ben")) == (20, 0)
        await it.here.take(lesson(1, "ann", 14).seen, lesson(2, "ann", 16).seen, lesson(3, "ann", 18).seen)
        assert it.balance("ann") == 30, "what was kept for it counts once: there was room for one more"


async def test_what_falls_because_the_other_account_was_paid_keeps_nothing_from_others(tmp_path: Path) -> None:
    text = HEAD + rule(more='limit = "3/ever"') + '[[check]]\nid = "v"\nvelocity = "1/10m"\nthen = "hold"\n'
    async with desk(tmp_path, text) as it:
        await it.here.take(lesson(1, "ann", 8).seen)
        await it.here.take(lesson(9, "ben", 12).seen, replace(lesson(1, "ben", 12).seen, position=2))
        await it.merge()
        assert rows(tmp_path, "SELECT state FROM hold") == [("superseded",)]
        await it.here.take(lesson(2, "ann", 14).seen, lesson(3, "ann", 16).seen)
        assert it.balance("ann") == 30
