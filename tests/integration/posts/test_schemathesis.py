"""Schemathesis reads the document that the agent serves and posts whatever that allows, and what it does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from agent.collectors.door.document import described
from agent.collectors.systems.registry import SYSTEMS
from tests.posts import TOKEN, OpenDoor, door_source, open_door

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenDoor]:
    """A door with a source of every kind, served by a loop of its own: schemathesis waits for its answers."""
    sources = [door_source(kind, kind=kind, path=f"/{kind}") for kind in sorted(SYSTEMS)]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def done(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    opened = open_door(tmp_path_factory.mktemp("door"), *sources)
    yield done(opened.__aenter__())
    done(opened.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("kind", sorted(SYSTEMS))
@effort(max_examples=3, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_served_document_allows_and_what_it_forbids_is_answered_as_it_says(
    door: OpenDoor, kind: str, mode: GenerationMode, data: st.DataObject
) -> None:
    schema = schemathesis.openapi.from_dict(dict(described(door.door.sources)))
    schema.config.update(base_url=f"http://127.0.0.1:{door.door.port}")
    case = data.draw(schema[f"/{kind}"]["POST"].as_strategy(generation_mode=mode))
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, checks=CHECKS)
    assert case.path == f"/{kind}"
