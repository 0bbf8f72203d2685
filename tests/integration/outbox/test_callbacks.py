"""Callbacks over a real ledger to real receivers: signed, in order, at least once, in nobody's way."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent import log
from agent.config.secrets import Secret
from agent.config.tables.callback import EVENTS, CallbackSettings
from agent.ledger import file
from agent.ledger.stream import positions
from agent.model import Observation
from agent.outbox.callbacks.message import From
from agent.outbox.callbacks.post import Address, Post
from agent.outbox.callbacks.reader import Callback
from agent.wiring.callbacks import known_names
from tests.builders import NOW, an_observation
from tests.fakes import ManualClock
from tests.pipelines import Running, running
from tests.receivers import SECRET, is_signed, receiving
from tests.rule_stories import rule

RULES = """
schema = 1
timezone = "UTC"

[[level]]
name = "Newcomer"
currency = "points"
from = 0

[[level]]
name = "Regular"
currency = "points"
from = 20

[[rule]]
id = "lesson"
title = "Lesson completed"
on = "lesson.completed"
award = 10
group = "learn"
message = "Well done, {learner.first_name}"
reverse_on = "lesson.uncompleted"

[[rule]]
id = "third"
on = "lesson.completed"
conditions = { completion_state = 3 }
badge = "third-kind"
min_trust = "server_verified"

[[challenge]]
id = "two"
title = "Two lessons"
award = 5

  [[challenge.step]]
  on = "course.viewed"

  [[challenge.step]]
  on = "lesson.completed"
  count = 2
"""


def settings(url: str, **changes: Any) -> CallbackSettings:
    """A callback that is told everything from the beginning."""
    fields = {"name": "here", "on": EVENTS, "url": url, "secret_file": "s", "start_at": "beginning"} | changes
    return CallbackSettings.model_validate(fields)


def a_callback(made: Running, told: CallbackSettings, clock: ManualClock | None = None) -> Callback:
    """A callback over this ledger."""
    return Callback(
        told,
        post=Post(Address(url=Secret(told.url or ""), secrets=(Secret(SECRET),))),
        writer=made.writer,
        data_dir=made.data_dir,
        sender=From("uni", "production"),
        known=lambda: known_names(made.pipeline.rulebook),
        clock=clock or ManualClock(NOW),
        jitter=lambda: 0.5,
    )


def lesson(number: int, **changes: Any) -> Observation:
    return an_observation(number, **changes)


def viewed(number: int) -> Observation:
    return an_observation(number, kind="course.viewed", lms_event=r"\core\event\course_viewed", lesson=None)


@asynccontextmanager
async def told(directory: Path, *seen: Observation) -> AsyncIterator[Running]:
    """A ledger in which this happened."""
    async with running(directory, RULES) as made:
        await made.take(*seen)
        yield made


async def test_everything_is_told_signed_and_in_the_order_in_which_it_happened(tmp_path: Path) -> None:
    held = lesson(4, facts={"completion_state": 3}, marks=frozenset({"backdated"}))
    async with receiving() as receiver, told(tmp_path, viewed(1), lesson(2), lesson(3), held) as made:
        callback = a_callback(made, settings(receiver.url))
        assert await callback.drain(limit_s=60)
        await callback.close()

        assert [number.partition(".")[2] or number for number in receiver.ids()] == [
            "step.1",
            "award",
            "award",
            "level.20",
            "step.2",
            "completed",
            "award",
            "hold",
            "hold",
            "hold",
        ]
        assert all(is_signed(SECRET, headers, body) for headers, body in receiver.taken)
        assert len(set(receiver.ids())) == len(receiver.ids())
        body = next(one for one in receiver.bodies() if one["type"] == "award")
        ((pseudonym,),) = [(one,) for one in {each["data"]["learner"] for each in receiver.bodies()}]
        assert body["data"]["units"] == 10
        assert body["data"]["group"] == "learn"
        assert body["text"] == f"{pseudonym} earned 10 points: Lesson completed"
        assert pseudonym != "35"
        step = next(one for one in receiver.bodies() if one["type"] == "challenge.step")
        assert (step["data"]["step"], step["data"]["steps"]) == (1, 2)
        level = next(one for one in receiver.bodies() if one["type"] == "level")
        assert level["data"]["level"] == "Regular"


async def test_a_brake_is_told_once_a_day_whatever_it_holds(tmp_path: Path) -> None:
    rules = '[budget]\npoints = "10/ever"\n' + rule(more='once_per = "event"')
    async with receiving() as receiver, running(tmp_path, rules) as made:
        await made.take(*[lesson(number) for number in range(1, 6)])
        callback = a_callback(made, settings(receiver.url, on=["brake"]))
        assert await callback.drain(limit_s=60)
        await made.take(lesson(6))
        assert await callback.drain(limit_s=60)
        await callback.close()
        (body,) = receiver.bodies()
        assert body["type"] == "brake"
        assert body["text"].startswith("Issuing is held back, budget 10 points/ever.")
        assert body["data"]["learner"] == ""


async def test_told_twice_nothing_is_said_again(tmp_path: Path) -> None:
    async with receiving() as receiver, told(tmp_path, lesson(1)) as made:
        for _ in range(2):
            callback = a_callback(made, settings(receiver.url))
            await callback.drain(limit_s=60)
            await callback.close()
        assert receiver.types() == ["award"]


async def test_a_reversal_is_told_with_its_reason(tmp_path: Path) -> None:
    undone = lesson(2, kind="lesson.uncompleted", lesson="1")
    async with receiving() as receiver, told(tmp_path, lesson(1), undone) as made:
        callback = a_callback(made, settings(receiver.url, on=["reversal"]))
        await callback.drain(limit_s=60)
        await callback.close()
        (body,) = receiver.bodies()
        assert (body["type"], body["data"]["units"]) == ("reversal", -10)
        assert body["data"]["reason"] == "undone: lesson.uncompleted"


async def test_a_level_is_told_once_also_where_it_was_lost_and_earned_again(tmp_path: Path) -> None:
    undone = lesson(3, kind="lesson.uncompleted", lesson="2")
    seen = (lesson(1), lesson(2), undone, lesson(4), lesson(5))
    async with receiving() as receiver, told(tmp_path, *seen) as made:
        callback = a_callback(made, settings(receiver.url, on=["level"]))
        await callback.drain(limit_s=60)
        await callback.close()
        assert receiver.ids() == ["1-2.level.20"]


async def test_a_new_callback_is_told_from_now_on(tmp_path: Path) -> None:
    async with receiving() as receiver, told(tmp_path, lesson(1)) as made:
        callback = a_callback(made, settings(receiver.url, start_at="now"))
        await callback.drain(limit_s=60)
        await made.take(lesson(2))
        await callback.drain(limit_s=60)
        await callback.close()
        assert [body["data"]["entry_id"] for body in receiver.bodies() if body["type"] == "award"] == ["1-2"]


async def test_while_a_receiver_is_down_nothing_is_lost_and_others_are_told(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with receiving(status=503) as down, receiving() as up, told(tmp_path, *map(lesson, range(1, 6))) as made:
        first = a_callback(made, settings(down.url, on=["award"]), clock)
        second = a_callback(made, settings(up.url, name="other", on=["award"]), clock)
        assert not await first.drain(limit_s=60)
        assert await second.drain(limit_s=60)
        assert len(up.taken) == 5
        for _ in range(3):
            assert not await first.step()
        with made_reading(made) as connection:
            stands = positions.read(connection, "here")
        assert stands is not None
        assert (stands.at.seq, stands.attempts, stands.last_error) == (0, 4, "it answered (503)")
        assert stands.next_try_at > NOW
        await first.close()

        await made.take(*map(lesson, range(6, 301)))
        down.status = 200
        again = a_callback(made, settings(down.url, on=["award"]), clock)
        assert await again.drain(limit_s=60)
        assert down.ids() == [f"1-{seq}.award" for seq in range(1, 301)]
        await again.close()
        await second.close()


def made_reading(made: Running) -> Any:
    return file.reading(made.data_dir)


async def test_a_slow_receiver_keeps_nobody_waiting(tmp_path: Path) -> None:
    came = asyncio.Event()
    async with receiving(delay_s=3_600, on_message=lambda _id: came.set()) as slow, told(tmp_path, lesson(1)) as made:
        callback = a_callback(made, settings(slow.url))
        task = asyncio.create_task(callback.run())
        await came.wait()
        for number in range(2, 202):
            await made.take(lesson(number))
        assert slow.taken == [], "it still keeps the first one waiting"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await callback.close()
        assert made.balances() == {"35": 2010}


async def test_a_redirect_is_not_followed_and_neither_address_nor_answer_is_told(tmp_path: Path) -> None:
    said = io.StringIO()
    log.start(stream=said)
    async with receiving() as elsewhere, receiving(status=302) as receiver, told(tmp_path, lesson(1)) as made:
        receiver.headers = {"Location": elsewhere.url}
        callback = a_callback(made, settings(receiver.url))
        assert not await callback.drain(limit_s=60)
        await callback.close()
        assert elsewhere.taken == []
    assert "which is not followed (302)" in said.getvalue()
    for secret in ("T0K3N", SECRET, "words that nobody needs"):
        assert secret not in said.getvalue()


async def test_who_is_not_there_is_told_without_the_address(tmp_path: Path) -> None:
    async with told(tmp_path, lesson(1)) as made:
        callback = a_callback(made, settings("http://127.0.0.1:9/hook/T0K3N"))
        assert not await callback.drain(limit_s=60)
        await callback.close()
        with made_reading(made) as connection:
            stands = positions.read(connection, "here")
        assert stands is not None
        assert "it cannot be reached" in stands.last_error
        assert "T0K3N" not in stands.last_error


async def test_chat_systems_get_what_they_take(tmp_path: Path) -> None:
    words = {"award": "{message}: {amount} <{currency}>"}
    async with receiving() as receiver, told(tmp_path, lesson(1)) as made:
        for form in ("slack", "teams"):
            told_as = settings(receiver.url, name=form, format=form, learner="none", template=words)
            callback = a_callback(made, told_as)
            await callback.drain(limit_s=60)
            await callback.close()
        slack, teams = receiver.bodies()
        assert slack == {"text": "Well done, somebody: 10 &lt;points&gt;"}
        assert teams["attachments"][0]["content"]["body"][0]["text"] == "Well done, somebody: 10 <points>"


async def test_rules_and_groups_leave_the_rest_out(tmp_path: Path) -> None:
    async with receiving() as receiver, told(tmp_path, viewed(1), lesson(2), lesson(3)) as made:
        for name, only in (("a", {"rules": ["tw*"]}), ("b", {"groups": ["learn"]})):
            callback = a_callback(made, settings(receiver.url, name=name, on=["award"], learner="lms-id", **only))
            await callback.drain(limit_s=60)
            await callback.close()
        assert [body["data"]["rule"] for body in receiver.bodies()] == ["two", "lesson", "lesson"]
        assert {body["data"]["learner"] for body in receiver.bodies()} == {"moodle:35"}


async def test_what_a_receiver_never_takes_can_be_left_out(tmp_path: Path) -> None:
    async with receiving(status=400) as receiver, told(tmp_path, lesson(1), lesson(2)) as made:
        callback = a_callback(made, settings(receiver.url, on=["award"]))
        assert not await callback.drain(limit_s=60)
        assert await callback.skip() == "1-1.award"
        receiver.status = 200
        assert await callback.drain(limit_s=60)
        assert await callback.skip() == ""
        await callback.close()
        assert receiver.ids() == ["1-2.award"]


async def test_a_receiver_may_ask_to_wait(tmp_path: Path) -> None:
    async with receiving(status=429, headers={"Retry-After": "120"}) as receiver, told(tmp_path, lesson(1)) as made:
        callback = a_callback(made, settings(receiver.url))
        assert not await callback.drain(limit_s=60)
        await callback.close()
        with made_reading(made) as connection:
            stands = positions.read(connection, "here")
        assert stands is not None
        assert stands.next_try_at >= NOW + 120
