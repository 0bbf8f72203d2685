"""What administrators did is written down before it is done, ends once, and names nobody who learns."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.errors import InvalidInputError, TransientError
from agent.ledger import file
from agent.ledger.acts import journal
from agent.ledger.acts.journal import ACTS, Act, Journal
from agent.ledger.writer import Writer
from tests.sites import NOW, HandClock


class Desk:
    """A journal on an empty ledger, and what it says."""

    def __init__(self, path: Path, writer: Writer) -> None:
        self.path = path
        self.journal = Journal(writer, HandClock())

    def acts(self) -> list[Act]:
        """Newest first."""
        with closing(file.open_for_reading(self.path)) as db:
            return journal.listed(db, since=0, what="", by="", newest=100)


@pytest.fixture
async def desk(tmp_path: Path) -> Any:
    """An empty one."""
    tmp_path.chmod(0o700)
    writer = await Writer.open(tmp_path)
    yield Desk(tmp_path, writer)
    await writer.close()


def doing(what: Callable[[], Awaitable[Any]]) -> Any:
    """An operation that takes anything."""

    async def operation(**_arguments: Any) -> Any:
        return await what()

    return operation


async def test_an_act_stands_before_it_is_done_and_says_then_what_it_came_to(desk: Desk) -> None:
    seen: list[str] = []

    async def adjust() -> str:
        seen.append(desk.acts()[0].outcome)
        return "entry"

    asked = desk.journal.kept("ledger.adjust", doing(adjust))
    result = await asked(learner="moodle:35", currency="points", amount=5, reason="Ann was ill", by="owner")
    (act,) = desk.acts()
    assert (result, seen) == ("entry", [""])
    assert (act.what, act.by, act.outcome, act.at, act.ended_at) == ("ledger.adjust", "owner", "done", NOW, NOW)
    assert act.about == {"currency": "points", "amount": 5}, "neither whom it was about nor why"
    assert act.account


async def test_what_is_refused_says_so_and_what_failed_or_is_cut_off_says_nothing(desk: Desk) -> None:
    async def refuse() -> None:
        raise InvalidInputError("no")

    async def fail() -> None:
        raise TransientError("the catalogue did not answer")

    async def die() -> None:
        raise asyncio.CancelledError

    with pytest.raises(InvalidInputError):
        await desk.journal.kept("ledger.reverse", doing(refuse))(seq=4, reason="", by="owner")
    with pytest.raises(asyncio.CancelledError):
        await desk.journal.kept("ledger.reverse", doing(die))(seq=5, reason="", by="owner")
    with pytest.raises(TransientError):
        await desk.journal.kept("ledger.reverse", doing(fail))(seq=6, reason="", by="owner")
    assert [(act.about["seq"], act.outcome) for act in desk.acts()] == [(6, ""), (5, ""), (4, "refused")]


@pytest.mark.parametrize("by", ["\udcff", "x" * 10_000, None])
async def test_what_nobody_checked_yet_is_written_down_as_far_as_it_can_be_and_refused_by_the_operation(
    desk: Desk, by: str | None
) -> None:
    async def refuse() -> None:
        raise InvalidInputError("no")

    asked = desk.journal.kept("review.reject", doing(refuse))
    with pytest.raises(InvalidInputError):
        await asked(decisions=[10**30, "\udcff", ["y" * 10_000]], by=by)
    (act,) = desk.acts()
    assert (act.about["decisions"], act.outcome) == ([10**30, "?", ["y" * 300]], "refused")
    assert len(act.by) <= 300


async def test_what_only_looks_or_goes_on_is_no_act_of_its_own(desk: Desk) -> None:
    async def nothing() -> None:
        return None

    for command, arguments in (
        ("learner.merge", {"preview": True}),
        ("review.approve", {"decisions": [1], "dry_run": True}),
        ("events.requeue", {"source": "posts", "really": False}),
        ("rules.backfill", {"rule": "quiz", "cursor": {"event": 9}}),
        ("badge.settle", {"after": 7}),
        ("redeem", {"reward": "tea"}),
    ):
        await desk.journal.kept(command, doing(nothing))(**arguments)
    assert desk.acts() == []
    await desk.journal.kept("review.approve", doing(nothing))(decisions=list(range(250)), by="owner")
    assert desk.acts()[0].about["decisions"] == [*range(100), "and 150 more"]


async def test_the_mode_is_noted_when_it_is_another_than_before(desk: Desk) -> None:
    for mode in ("shadow", "shadow", "live", "live", "shadow"):
        await desk.journal.mode(mode)
    assert [(act.about["was"], act.about["mode"]) for act in reversed(desk.acts())] == [
        ("", "shadow"), ("shadow", "live"), ("live", "shadow")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM act",
        "UPDATE act SET said_by = 'nobody'",
        "UPDATE act SET outcome = 'refused'",
        "INSERT OR REPLACE INTO act (act_no, at, what, said_by, account, about) VALUES (1, 0, 'x', '', '', '{}')",
    ],
)
async def test_the_list_only_grows(desk: Desk, change: str) -> None:
    await desk.journal.mode("live")
    with closing(sqlite3.connect(file.ledger_path(desk.path))) as db:
        db.execute("PRAGMA recursive_triggers = ON")
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            db.execute(change)


def test_no_argument_that_is_written_down_can_name_a_learner() -> None:
    assert not {"learner", "learners", "accounts", "account", "reason", "message", "token", "words", "by"} & {
        name for names in ACTS.values() for name in names
    }


async def test_looking_at_kudos_is_no_act_and_moderating_them_is(desk: Desk) -> None:
    async def done() -> None:
        return None

    asked = desk.journal.kept("kudos.does", doing(done))
    for act in ("list", "show", "stats", "trends"):
        await asked(act=act, learner="moodle:35")
    assert desk.acts() == []
    await asked(act="moderate", id=17, do="hide", why="a joke that hurt")
    assert [one.about for one in desk.acts()] == [{"act": "moderate", "id": 17, "do": "hide"}]
