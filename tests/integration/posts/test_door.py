"""The door over real HTTP, before a real inbox."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import random
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.collectors.door import app
from agent.collectors.door.recent import POSTS_MAX, Recent
from agent.collectors.inbox import file
from agent.collectors.inbox.store import FILE_NAME, GROUP_MAX, WAITING_PER_SOURCE_MAX, Inbox
from agent.collectors.systems.base import Arrival
from agent.collectors.systems.generic import Generic
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.errors import IntegrityError, TransientError
from agent.model import Evidence, Observation
from tests.builders import NOW
from tests.disks import is_open
from tests.posts import HOOK, TOKEN, a_post, door_source, open_door
from tests.unit.door.test_generic import event
from tests.unit.door.test_spoiled_posts import EXAMPLES, NUMBERS, places, spoiled


def kept(data_dir: Path) -> list[tuple[int, str, bytes]]:
    with contextlib.closing(sqlite3.connect(data_dir / FILE_NAME)) as connection:
        return connection.execute("SELECT no, source, body FROM post ORDER BY no").fetchall()


async def test_a_post_is_answered_200_when_it_is_on_disk(tmp_path: Path) -> None:
    async with open_door(tmp_path) as at:
        answer = await at.post(a_post())
        assert (answer.status, answer.told) == (200, {"status": "kept", "number": 1})
        assert kept(tmp_path) == [(1, "trigger", json.dumps(a_post()).encode())]


async def test_an_answer_says_which_request_it_is_about_and_whether_the_same_bytes_came_before(tmp_path: Path) -> None:
    body = event(trace={"lms_event_id": "7", "request_id": "r-1"})
    async with open_door(tmp_path, door_source(kind="generic")) as at:
        answers = [await at.post(one) for one in (body, body, {**body, "event": "Course!"}, event(user="9"))]
    assert [(one.status, one.told) for one in answers[:2]] == [
        (200, {"status": "kept", "number": 1, "request_id": "r-1"}),
        (200, {"status": "kept", "number": 2, "request_id": "r-1", "dup_of": 1}),
    ]
    assert (answers[2].status, answers[2].told["request_id"]) == (400, "r-1")
    assert answers[3].told == {"status": "kept", "number": 3}
    assert len(kept(tmp_path)) == 3, "what came before may come with more trust: it is kept all the same"


class Hexadecimal:
    """The canonical schema as only its mapping can read it; a `System`."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        return Generic().observations(replace(arrival, body=bytes.fromhex(arrival.body.decode())), kinds)


async def test_only_the_mapping_reads_a_post_and_that_once(tmp_path: Path) -> None:
    trace = {"lms_event_id": "7", "request_id": "r-1"}
    source = replace(door_source(kind="generic"), system=Hexadecimal())
    async with open_door(tmp_path, source) as at:
        answers = [
            await at.post(json.dumps(one).encode().hex().encode())
            for one in (event(trace=trace, metrics={"request_id": "theirs"}), event(trace=trace, event="Course!"))
        ]
    assert [(one.status, one.told["request_id"]) for one in answers] == [(200, "r-1"), (400, "r-1")]


class Slow:
    """A mapping that is slow on long posts, until it is let go; a `System`."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        if len(arrival.body) > app.LONG_BYTES:
            self.begun.set()
            assert self.let_go.wait(60)
        return Generic().observations(arrival, kinds)


async def test_a_long_post_keeps_no_short_one_waiting(tmp_path: Path) -> None:
    slow = Slow()
    source = replace(door_source("lists", kind="generic", path="/lists"), system=slow)
    async with open_door(tmp_path, source, door_source()) as at:
        long = asyncio.create_task(at.post({"events": [event()] * 100}, path="/lists"))
        assert await asyncio.to_thread(slow.begun.wait, 60)
        short = [await at.post(event(), path="/lists"), await at.post(a_post())]
        slow.let_go.set()
        assert [one.status for one in (*short, await long)] == [200, 200, 200]
        assert (await at.post({"events": [event(event="Course!")] * 100}, path="/lists")).status == 400


def test_of_posts_no_more_than_a_number_is_remembered() -> None:
    recent = Recent()
    assert {recent.kept("a", b"%d" % number, number) for number in range(1, POSTS_MAX + 2)} == {0}
    assert recent.kept("b", b"9", 90_000) == 0, "another source"
    assert [recent.kept("a", b"%d" % number, 90_001) for number in (9, 2, 1)] == [9, 0, 0]


async def test_an_unknown_path_and_a_wrong_token_get_the_same_answer(tmp_path: Path) -> None:
    async with open_door(tmp_path) as at:
        wrong = [
            await at.post(a_post(), path="/api/public/hook/nothing/event"),
            await at.post(a_post(), token="wrong"),
            await at.post(a_post(), token=None),
            await at.post(a_post(), token="wrong", method="GET"),
        ]
        assert {(one.status, json.dumps(one.told)) for one in wrong} == {(404, '{"error": "not_found"}')}
        assert at.door.counts == {("", "path"): 1, ("trigger", "credential"): 3}
    assert kept(tmp_path) == []


async def test_a_slash_behind_the_path_and_an_empty_coding_say_nothing(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        assert (await door.post(a_post(), path=f"{HOOK}/", headers={"Content-Encoding": ""})).status == 200
        assert (await door.post(a_post(), path=f"{HOOK}//")).status == 404
        assert (await door.post(a_post(), path=f"{HOOK}/", token="another")).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_who_shows_the_token_without_posting_is_told_to_post_and_nobody_else_is(
    tmp_path: Path, method: str
) -> None:
    signed = door_source("shop", kind="thinkific", path="/shop", tokens=(), secrets=("s",))
    async with open_door(tmp_path, door_source(), signed) as door:
        told = await door.post(b"", method=method)
        assert (told.status, told.told, told.headers["allow"]) == (405, {"error": "method"}, "POST")
        for path, token in ((HOOK, "another"), (HOOK, None), ("/shop", None), ("/nowhere", TOKEN)):
            assert (await door.post(b"", path=path, token=token, method=method)).status == 404
        assert (await door.door.answers())[0]["result"] == "method"


async def test_of_several_events_the_one_that_is_wrong_is_named_and_none_is_kept(tmp_path: Path) -> None:
    forms = door_source("forms", kind="generic", path="/forms")
    good = {"event": "lesson.completed", "occurred_at": NOW, "user": "1"}
    async with open_door(tmp_path, forms) as door:
        answer = await door.post(json.dumps([good, {**good, "occurred_at": "soon"}]).encode(), path="/forms")
        said = {"error": "time_invalid", "event": 2, "field": "occurred_at"}
        assert (answer.status, said.items() <= answer.told.items()) == (400, True)
        assert answer.told["message"] == "event 2: occurred_at is not a time"
        alone = await door.post({**good, "occurred_at": "soon"}, path="/forms")
        assert alone.told["message"] == "occurred_at is not a time"
        assert await door.inbox.newest("forms") == 0


async def test_what_cannot_be_understood_is_400_with_its_reason_and_kept_to_be_looked_at(tmp_path: Path) -> None:
    async with open_door(tmp_path) as at:
        answer = await at.post(b'{"eventname": ')
        assert (answer.status, answer.told["error"]) == (400, "not_json")
        answer = await at.post(a_post(userid="ann"))
        assert (answer.status, answer.told["error"], answer.told["field"]) == (400, "field_invalid", "userid")
        assert (await at.post(a_post())).status == 200
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        refused = connection.execute("SELECT source, reason FROM refused ORDER BY no").fetchall()
    assert refused == [("trigger", "not_json"), ("trigger", "field_invalid")]
    assert len(kept(tmp_path)) == 1


async def test_too_large_a_body_is_413_however_it_is_sent(tmp_path: Path) -> None:
    async def in_pieces() -> object:
        for _ in range(40):
            yield b"x" * 100

    async with open_door(tmp_path, door_source(body_bytes_max=1_024)) as at:
        assert (await at.post(b"x" * 1_025)).status == 413
        url = f"http://127.0.0.1:{at.door.port}{HOOK}"
        headers = {"Authorization": "Bearer a-token-of-a-throw-away-door"}
        async with at.session.post(url, data=in_pieces(), headers=headers) as answer:
            assert answer.status == 413
        assert (await at.post(a_post())).status == 200


async def test_a_flood_of_one_source_is_told_to_wait_and_starves_no_other(tmp_path: Path) -> None:
    flooding = door_source("flood", path="/flood", rate_per_s=5)
    async with open_door(tmp_path, flooding, door_source()) as at:
        answers = [await at.post(a_post(), path="/flood") for _ in range(15)]
        assert [one.status for one in answers] == [200] * 10 + [429] * 5
        assert answers[-1].headers["retry-after"] == "1"
        assert (await at.post(a_post())).status == 200
        at.clock.at += 1
        assert (await at.post(a_post(), path="/flood")).status == 200


async def test_only_allowed_addresses_come_in_also_behind_a_proxy_of_ours(tmp_path: Path) -> None:
    source = door_source(allow=["203.0.113.0/24"])
    async with open_door(tmp_path, source, proxies=["127.0.0.0/8"]) as at:
        assert (await at.post(a_post())).status == 404
        assert (await at.post(a_post(), headers={"X-Forwarded-For": "203.0.113.7"})).status == 200
        assert (await at.post(a_post(), headers={"X-Forwarded-For": "203.0.113.7, 192.0.2.1"})).status == 404
        # Who cannot show the token is a stranger, wherever it stands: its address is nobody's to be let in.
        assert (await at.post(a_post(), token="wrong", headers={"X-Forwarded-For": "192.0.2.9"})).status == 404
        told = {one["result"]: (one["count"], one.get("from")) for one in await at.door.answers()}
        assert told == {"kept": (1, None), "address": (2, "192.0.2.1"), "credential": (1, None)}


async def test_a_slow_sender_is_turned_away_and_others_are_served_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_door(tmp_path) as at:
        monkeypatch.setattr(app, "BODY_S", 1.0)
        reader, writer = await asyncio.open_connection("127.0.0.1", at.door.port)
        head = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a-token-of-a-throw-away-door\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\n".encode() + b"{")
        await writer.drain()
        while not at.door._reading:  # noqa: ASYNC110, SLF001 - nothing else says that its time runs
            await asyncio.sleep(0)
        monkeypatch.setattr(app, "BODY_S", 600.0)
        assert (await at.post(a_post())).status == 200
        line = await asyncio.wait_for(reader.readline(), 60)
        writer.close()
    assert b" 408 " in line


async def test_posts_of_many_connections_are_each_kept_once(tmp_path: Path) -> None:
    async with open_door(tmp_path) as at:
        answers = await asyncio.gather(*(at.post(a_post(objectid=str(number))) for number in range(300)))
        assert {one.status for one in answers} == {200}
        assert sorted(one.told["number"] for one in answers) == list(range(1, 301))
    assert len(kept(tmp_path)) == 300


async def test_when_nothing_can_be_written_a_post_is_503_and_later_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BUSY_S", 0.2)
    async with open_door(tmp_path) as at:
        with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as holding:
            holding.execute("BEGIN IMMEDIATE")
            answer = await asyncio.wait_for(at.post(a_post()), 60)
            holding.execute("ROLLBACK")
        assert (answer.status, answer.told["error"]) == (503, "not_kept")
        assert int(answer.headers["retry-after"]) > 0
        assert (await at.post(a_post())).status == 200
    assert len(kept(tmp_path)) == 1


class Crowded:
    """A mapping on a machine that has no file left to open, until it is let go; a `System`."""

    crowded = True

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        if self.crowded:
            raise OSError(errno.EMFILE, "Too many open files")
        return Generic().observations(arrival, kinds)


async def test_a_post_that_the_machine_cannot_read_now_is_503_and_no_refusal(tmp_path: Path) -> None:
    system = Crowded()
    async with open_door(tmp_path, replace(door_source(kind="generic"), system=system)) as at:
        answer = await at.post(event())
        assert (answer.status, answer.told["error"]) == (503, "not_kept")
        system.crowded = False
        assert (await at.post(event())).status == 200
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert connection.execute("SELECT count(*) FROM refused").fetchone() == (0,)


async def test_a_sender_who_hangs_up_has_posted_all_the_same(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    asking = asyncio.create_task(inbox.append("a", NOW, Evidence.nothing, b"{}"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await inbox.close()
    assert [body for _, _, body in kept(tmp_path)] == [b"{}"]


async def test_however_many_posts_come_at_once_each_is_kept_under_its_number_in_their_order(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    sizes = (1, 2, 3, 5, 64, 65, GROUP_MAX - 1, GROUP_MAX, GROUP_MAX + 1)
    for size in sizes:
        bodies = [b"%d of %d\0\xff" % (number, size) for number in range(size)]
        numbers = await asyncio.gather(*(inbox.append("a", NOW, Evidence.signature, body) for body in bodies))
        found = await inbox.after("a", numbers[0] - 1, size + 1)
        assert [each.number for each in found] == list(numbers) == list(range(numbers[0], numbers[0] + size))
        assert [(each.body, each.received_at, each.evidence) for each in found] == [
            (body, NOW, Evidence.signature) for body in bodies
        ]
    await inbox.close()
    assert [number for number, _, _ in kept(tmp_path)] == list(range(1, sum(sizes) + 1))


async def test_one_source_cannot_fill_the_queue(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    flood = range(WAITING_PER_SOURCE_MAX + GROUP_MAX)
    asked = [asyncio.create_task(inbox.append("flood", NOW, Evidence.nothing, b"{}")) for _ in flood]
    other = asyncio.create_task(inbox.append("calm", NOW, Evidence.nothing, b"{}"))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert any(isinstance(one, TransientError) for one in found)
    assert await other > 0
    await inbox.close()


async def test_numbers_are_never_given_again_even_when_the_inbox_was_lost(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    for _ in range(3):
        await inbox.append("a", NOW, Evidence.nothing, b"{}")
    assert await inbox.expire("a", upto=3, before=NOW + 1) == 3
    assert await inbox.append("a", NOW, Evidence.nothing, b"{}") == 4
    await inbox.close()
    for path in tmp_path.iterdir():
        path.unlink()
    again = await Inbox.open(tmp_path, floor=4)
    assert await again.append("a", NOW, Evidence.nothing, b"{}") == 5
    await again.close()


async def test_retention_takes_only_what_was_read(tmp_path: Path) -> None:
    inbox = await Inbox.open(tmp_path)
    for at in (1, 2, 3):
        await inbox.append("a", at, Evidence.nothing, b"{}")
    await inbox.append("b", 1, Evidence.nothing, b"{}")
    assert await inbox.expire("a", upto=2, before=100) == 2
    assert [each.number for each in await inbox.after("a", 0, 10)] == [3]
    assert await inbox.newest("b") == 4
    await inbox.close()


async def test_a_damaged_inbox_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all " * 100)
    with pytest.raises(IntegrityError, match="is damaged"):
        await Inbox.open(tmp_path)


async def test_an_inbox_that_cannot_be_used_is_not_kept_open(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all " * 100)
    with pytest.raises(IntegrityError) as refused:
        await Inbox.open(tmp_path)
    assert not is_open(tmp_path / FILE_NAME), refused


def mutated(chance: random.Random, body: bytes) -> bytes:
    """A post with a few bytes taken out, put in, doubled or turned."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) or 1)
        match chance.randrange(4):
            case 0:
                del data[at : at + chance.randint(1, 8)]
            case 1:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))
            case 2:
                data[at:at] = data[at : at + 20]
            case _ if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("kind", sorted(SYSTEMS))
async def test_whatever_is_posted_is_never_answered_500(tmp_path: Path, kind: str) -> None:
    chance = random.Random(20_261_121)
    valid = [json.dumps(example).encode() for example in EXAMPLES[kind]]
    numbers = [spoiled(one, place, chance.choice(NUMBERS)) for one in EXAMPLES[kind] for place in places(one)]
    bodies = [*numbers, *(mutated(chance, chance.choice(valid)) for _ in range(60))]
    async with open_door(tmp_path, door_source(kind=kind)) as at:
        found = {(await at.post(body)).status for body in bodies}
    assert found <= {200, 400}
    assert 400 in found
