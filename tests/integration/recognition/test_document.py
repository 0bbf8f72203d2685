"""Schemathesis reads the document and asks for whatever it allows of recognition, and for what it does not."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from catalogue.api.document import document
from catalogue.api.recognition import document as recognition
from tests.contract.catalogues import running_catalogue
from tests.integration.recognition.people import ANN, CAT, COMMENTS, LIKES, Program, open_campus

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(document())
DOINGS = sorted((path, way) for path, ways in recognition.paths().items() for way in ways if way != "parameters")


@pytest.fixture(scope="module")
def lms(tmp_path_factory: pytest.TempPathFactory, catalogue_file: Path) -> Iterator[Program]:
    """A catalogue with kudos, likes and comments, served by a loop of its own: schemathesis waits for its answers."""
    place = tmp_path_factory.mktemp("document")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def done(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    opened = running_catalogue(place, f"sqlite:///{shutil.copy(catalogue_file, place / 'books.db')}")
    real = done(opened.__aenter__())

    async def people() -> Program:
        session = aiohttp.ClientSession()
        made = Program(real, session, await open_campus(real, "uni"))
        await made.enter()
        first = await made.gave(message="thank you")
        await made.does("PUT", f"{LIKES}/{first}/{CAT}")
        await made.does("POST", COMMENTS, {"recognition": first, "user": ANN, "key": "1", "text": "gladly"})
        await made.does("POST", "/api/awards", {"key": "1", "receiver": ANN, "badge": "shine"})
        await session.close()
        return made

    yield done(people())
    done(opened.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def asked(lms: Program, data: st.DataObject) -> int:
    """The status of one request, whose answer was held against the document."""
    path, way = data.draw(st.sampled_from(DOINGS))
    mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    SCHEMA.config.update(base_url=lms.real.url)
    case = data.draw(SCHEMA[path][way.upper()].as_strategy(generation_mode=mode))
    answer = case.call_and_validate(headers={"Authorization": f"Bearer {lms.token}"}, checks=CHECKS)
    assert case.path == path
    return int(answer.status_code)


@effort(max_examples=10, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_whatever_is_asked_of_recognition_is_answered_as_the_document_says(lms: Program, data: st.DataObject) -> None:
    assert asked(lms, data) < 500


@pytest.mark.soak
@effort(max_examples=2000, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_whatever_is_asked_for_long_is_answered_as_the_document_says(lms: Program, data: st.DataObject) -> None:
    assert asked(lms, data) < 500
