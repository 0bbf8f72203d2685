"""Schemathesis reads the whole document and asks for whatever it allows, and for what it does not: on each database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from catalogue.api import tokens
from catalogue.api.document import document
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.empty import make_catalogue
from tests.integration.recognition.people import ANN, CAT, COMMENTS, LIKES, Program, open_campus
from tests.servers import Postgres
from tests.wire_builders import CAMPUS, an_entry
from wire import canonical, enrolment, signing
from wire.signing import Headers, Request

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(document())
DOINGS = sorted(
    (path, way) for path, ways in document()["paths"].items() for way in ways if way not in {"parameters", "$ref"}
)
NAMES = ("0", "1", "tea", "general", "r1", ANN, "%00", "a%00b", "%ED%A0%80", "9" * 19)
"""Parts of paths: what is there, and what no database can hold."""


@schemathesis.serializer("application/jsonl")
def lines(_context: Any, value: Any) -> bytes:
    """What is sent as lines is text, whatever is in it."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


class Served(NamedTuple):
    """A catalogue in which there is something of everything; a program's token, and an agent's hand."""

    url: str
    token: str
    hand: Hand


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Served by a loop of its own: schemathesis waits for its answers."""
    place = tmp_path_factory.mktemp("document")
    url = f"sqlite:///{place / 'books.db'}"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.create_database().dsn
        make_catalogue(url)
    else:
        shutil.copy(request.getfixturevalue("catalogue_file"), place / "books.db")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def done(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    opened = running_catalogue(place, url)
    made = done(filled(done(opened.__aenter__()), place))
    yield made
    done(made.hand.client.close())
    done(opened.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def filled(real: RealCatalogue, place: Path) -> Served:
    """Kudos with what was said of them, a reward, an agent that delivered."""
    await open_campus(real, CAMPUS)
    hand = Hand(real, place)
    await hand.enrol(await real.add_tenant(CAMPUS))
    await hand.deliver([an_entry(seq, learner=ANN, amount=100) for seq in (1, 2)])
    async with aiohttp.ClientSession() as session:
        lms = Program(real, session, CAMPUS)
        await lms.enter(*tokens.SCOPES)
        first = await lms.gave(message="thank you")
        await lms.does("PUT", f"{LIKES}/{first}/{CAT}")
        await lms.does("POST", COMMENTS, {"recognition": first, "user": ANN, "key": "1", "text": "gladly"})
        await lms.does("POST", "/api/awards", {"key": "1", "receiver": ANN, "badge": "shine"})
        await lms.does("PUT", "/api/rewards/tea", {"title": "Tea", "price": {"points": 1}})
        await lms.does("PUT", "/api/rewards/tea/approval")
    return Served(url=real.url, token=lms.token, hand=hand)


def asked(served: Served, data: st.DataObject) -> int:
    """The status of one request, whose answer was held against the document."""
    path, way = data.draw(st.sampled_from(DOINGS))
    mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    case = data.draw(SCHEMA[path][way.upper()].as_strategy(generation_mode=mode))
    prepared = requests.Request(**case.as_transport_kwargs(base_url=served.url)).prepare()
    if "{" in path and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(NAMES))
        prepared.url = served.url + "/".join(name if part.startswith("{") else part for part in path.split("/"))
    prepared.headers["Authorization"] = f"Bearer {served.token}"
    tag = document()["paths"][path][way].get("x-signed-as", "")
    if tag and data.draw(st.integers(0, 9)):
        sign(served.hand, prepared, tag)
    with requests.Session() as session:
        answer = session.send(prepared, timeout=30)
    case.validate_response(answer, checks=CHECKS)
    return answer.status_code


def sign(hand: Hand, prepared: requests.PreparedRequest, tag: str) -> None:
    """As the agent signs: an object in its own name, in canonical bytes."""
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
    assert isinstance(body, bytes)
    owner = {"v": 1, "campus": hand.campus, "agent": hand.agent}
    with contextlib.suppress(ValueError, TypeError):  # it is no object: signed as it is
        said = json.loads(body)
        body = canonical.dump(said | {name: owner[name] for name in owner if name in said})
    prepared.body = body
    prepared.headers["Content-Length"] = str(len(body))
    key_id = enrolment.agent_key_id(hand.campus, hand.agent, hand.key.fingerprint)
    if tag == signing.ENROL_TAG:
        key_id = hand.key.fingerprint
    kind = {"Content-Type": str(prepared.headers["Content-Type"])} if "Content-Type" in prepared.headers else {}
    request = Request(method=str(prepared.method), url=str(prepared.url), headers=Headers(kind.items()))
    prepared.headers.update(
        signing.sign_request(request, body, key=hand.key, key_id=key_id, created=hand.clock.now(), tag=tag)
    )


@effort(max_examples=12, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_whatever_is_asked_is_answered_as_the_document_says(served: Served, data: st.DataObject) -> None:
    assert asked(served, data) < 500


@pytest.mark.soak
@pytest.mark.timeout(3600)
@effort(max_examples=2000, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_whatever_is_asked_for_long_is_answered_as_the_document_says(served: Served, data: st.DataObject) -> None:
    assert asked(served, data) < 500
