"""What the catalogue never takes: each is refused with a reason, logged once, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest
import pytest_asyncio
from sqlalchemy import select
from structlog.testing import capture_logs

from catalogue import schema
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.wire_builders import CAMPUS, a_header, an_entry, entries
from wire import batch, chain, enrolment, keys, signing
from wire.signing import Headers, Request

GIGABYTE = 10**9
OTHERS = "other-campus"
pytestmark = pytest.mark.asyncio(loop_scope="module")
"""One catalogue for all: nothing of what is sent changes it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def catalogue(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealCatalogue]:
    directory = tmp_path_factory.mktemp("catalogue")
    async with running_catalogue(directory, f"sqlite:///{directory}/books.db") as real:
        yield real


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hand(catalogue: RealCatalogue, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hand]:
    """An agent that has delivered three entries."""
    made = Hand(catalogue, tmp_path_factory.mktemp("hand"))
    await made.enrol(await catalogue.add_tenant(CAMPUS))
    await made.deliver(entries(1, 3))
    yield made
    await made.client.close()


def signed(
    hand: Hand, body: bytes, *, created: int = 0, tag: str = signing.BATCH_TAG, **changes: Any
) -> dict[str, str]:
    """The headers of a batch as this agent signs it."""
    url, key = changes.get("url", hand.under_test.url + "/v1/batches"), changes.get("key", hand.key)
    lines = {"Content-Type": batch.CONTENT_TYPE}
    request = Request(method="POST", url=url, headers=Headers(lines.items()))
    key_id = changes.get("key_id", enrolment.agent_key_id(hand.campus, hand.agent, hand.key.fingerprint))
    at = created or hand.clock.now()
    return lines | signing.sign_request(request, body, key=key, key_id=key_id, created=at, tag=signing.BATCH_TAG)


async def everything(catalogue: RealCatalogue) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the tables that a batch could change."""
    found = {}
    async with catalogue.store.reading() as conn:
        for name in ("agent", "batch", "entry", "wallet", "movement", "agent_key"):
            table = getattr(schema, name)
            found[name] = [tuple(row) for row in await conn.execute(select(table).order_by(*table.primary_key))]
    return found


Made = Callable[[Hand], tuple[bytes, Mapping[str, str]]]


def next_batch(hand: Hand, **changes: Any) -> bytes:
    return hand.seal(entries(4, 6), **changes)


def another_tenants_key(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body, stranger = next_batch(hand), keys.create(hand.key_file.with_name(f"s{hand.clock.running()}"))
    return body, signed(hand, body, key=stranger)


def a_key_of_another_campus(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = next_batch(hand)
    return body, signed(hand, body, key_id=enrolment.agent_key_id(OTHERS, hand.agent, hand.key.fingerprint))


def a_stale_signature(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = next_batch(hand)
    return body, signed(hand, body, created=hand.clock.now() - 3600)


def a_stripped_digest(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = next_batch(hand)
    return body, {name: value for name, value in signed(hand, body).items() if name.lower() != "content-digest"}


def a_stripped_signature(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = next_batch(hand)
    return body, {name: value for name, value in signed(hand, body).items() if name.lower() != "signature"}


def a_changed_body(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = next_batch(hand)
    return body.replace(b'"amount":10', b'"amount":99', 1), signed(hand, body)


def a_signature_for_another_path(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = next_batch(hand)
    return body, signed(hand, body, url=hand.under_test.url + "/v1/persons")


def other_bytes_for_a_known_range(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = hand.seal(entries(1, 3, amount=11), first=1, previous=chain.GENESIS)
    return body, signed(hand, body)


def a_missing_range(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = hand.seal(entries(7, 8), first=7)
    return body, signed(hand, body)


def another_history(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = hand.seal(entries(4, 6), previous=b"\x07" * 32)
    return body, signed(hand, body)


def the_batch_of_another_tenant(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = next_batch(hand, campus=OTHERS)
    return body, signed(hand, body)


def duplicate_keys(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = next_batch(hand).replace(b'{"agent":', b'{"agent":"agent-9","agent":', 1)
    return body, signed(hand, body)


def a_hundred_thousand_entries(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    bodies = [b"{}"] * 100_000
    body = batch.encode(a_header(bodies, first=4, previous=hand.head, agent=hand.agent), bodies)
    return body, signed(hand, body)


def a_schema_from_the_future(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    header, _, rest = next_batch(hand).partition(b"\n")
    later = orjson.dumps(orjson.loads(header) | {"v": 2}, option=orjson.OPT_SORT_KEYS)
    body = later + b"\n" + rest
    return body, signed(hand, body)


def a_body_cut_short(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = next_batch(hand)[:-20]
    return body, signed(hand, body)


def nested_without_end(hand: Hand) -> tuple[bytes, Mapping[str, str]]:
    body = b"[" * 60_000 + b"\n"
    return body, signed(hand, body)


@pytest.mark.parametrize(
    ("made", "status", "why"),
    [
        (another_tenants_key, 401, "signature"),
        (a_key_of_another_campus, 401, "not known here"),
        (a_stale_signature, 401, "3600 s ago"),
        (a_stripped_digest, 401, "content-digest"),
        (a_stripped_signature, 401, ""),
        (a_changed_body, 401, "digest"),
        (a_signature_for_another_path, 401, ""),
        (other_bytes_for_a_known_range, 409, "fork"),
        (a_missing_range, 409, "not-next"),
        (another_history, 409, "history"),
        (the_batch_of_another_tenant, 403, "another campus"),
        (duplicate_keys, 400, "canonical"),
        (a_hundred_thousand_entries, 400, "100000 entries"),
        (a_schema_from_the_future, 400, "another format version"),
        (a_body_cut_short, 400, "cut short"),
        (nested_without_end, 400, ""),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_what_must_not_be_taken_is_refused_with_a_reason_logged_once_and_changes_nothing(
    catalogue: RealCatalogue, hand: Hand, made: Made, status: int, why: str
) -> None:
    before = await everything(catalogue)
    body, headers = made(hand)
    with capture_logs() as logged:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{catalogue.url}/v1/batches", data=body, headers=headers) as response,
        ):
            answer = (await response.read()).decode()
            assert (response.status, why.lower() in answer.lower()) == (status, True), answer
    (line,) = logged
    assert (line["event"], line["status"], line["log_level"]) == ("request_refused", status, "warning")
    assert await everything(catalogue) == before


async def test_a_body_of_a_gigabyte_is_refused_after_a_few_megabytes(catalogue: RealCatalogue, hand: Hand) -> None:
    before = await everything(catalogue)
    there = urlsplit(catalogue.url)
    reader, writer = await asyncio.open_connection(there.hostname, there.port)
    head = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: {GIGABYTE}\r\n\r\n"
    with capture_logs() as logged:
        writer.write(head.encode())
        answered = asyncio.create_task(reader.readline())
        sent = 0
        while not answered.done() and sent < GIGABYTE:
            writer.write(b"x" * 65_536)
            sent += 65_536
            await asyncio.wait([answered], timeout=0.001)
        assert b" 413 " in await answered
    writer.close()
    assert sent < GIGABYTE / 20
    assert [(line["event"], line["status"]) for line in logged] == [("request_refused", 413)]
    assert await everything(catalogue) == before


async def test_an_entry_of_the_future_stands_aside_and_the_rest_is_taken(catalogue: RealCatalogue, hand: Hand) -> None:
    taken = await hand.deliver([an_entry(4, v=2), an_entry(5, kind="gift"), an_entry(6)])
    assert [(one.seq, one.reason) for one in taken.rejected] == [
        (4, "format version 2 is not known here"),
        (5, "its kind is not known here"),
    ]
