"""The door's OpenAPI document is true: every answer and way in is in it; schemathesis posts what it allows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from agent.collectors.door.bodies import BODIES
from agent.collectors.door.document import described
from agent.collectors.door.wrapped import WRAPPED
from agent.collectors.systems.registry import SYSTEMS
from tests.json_schema import faults
from tests.posts import OpenDoor, door_source, open_door
from tests.unit.door.test_spoiled_posts import EXAMPLES


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, OpenDoor]]:
    sources = [door_source(kind, kind=kind, path=f"/{kind}") for kind in sorted(SYSTEMS)]
    with asyncio.Runner() as runner:
        opened = open_door(tmp_path_factory.mktemp("door"), *sources)
        at = runner.run(opened.__aenter__())
        yield runner, at
        runner.run(opened.__aexit__(None, None, None))


def answer_fits(document: Mapping[str, Any], path: str, status: int, told: object) -> list[str]:
    answers = document["paths"][path]["post"]["responses"]
    if str(status) not in answers:
        return [f"{path}: {status} is not in the document"]
    schema = answers[str(status)]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return list(faults(told, schema, document))


def test_every_other_answer_is_in_the_document_too(running: tuple[asyncio.Runner, OpenDoor]) -> None:
    runner, at = running
    document = described(at.door.sources)
    seen = {}
    for body, token, headers in (
        (b"{}", "wrong", {}),
        (b"x" * 300_000, None, {}),
        (b"{}", None, {"Content-Encoding": "gzip"}),
    ):
        shown = {"token": token} if token else {}
        answer = runner.run(at.post(body, path="/generic", headers=headers, **shown))
        seen[answer.status] = answer_fits(document, "/generic", answer.status, answer.told)
    assert seen == {404: [], 413: [], 415: []}


@pytest.mark.parametrize("kind", sorted(SYSTEMS))
def test_what_each_system_posts_is_what_the_document_says_of_it(kind: str) -> None:
    schema = BODIES[kind]
    assert [list(faults(example, schema, schema)) for example in EXAMPLES[kind]] == [[]] * len(EXAMPLES[kind])
    assert list(faults({}, schema, schema))


def test_the_document_names_every_source_and_what_it_must_show() -> None:
    sources = [
        door_source("shop", kind="thinkific", path="/shop", tokens=(), secrets=("s",)),
        door_source("lms", kind="canvas", path="/lms", tokens=("t",)),
        door_source(),
    ]
    document = described(sources, tls=True)
    asked = {path: one["post"]["security"] for path, one in document["paths"].items()}
    assert asked == {
        "/shop": [{"signature": []}],
        "/lms": [{"token": []}, {"token_in_address": []}],
        "/api/public/hook/moodle/event": [{"token": []}],
    }
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["securitySchemes"]) >= {way for each in asked.values() for x in each for way in x}
    assert json.loads(json.dumps(document)) == document


def test_the_document_says_which_posts_may_come_wrapped() -> None:
    document = described([door_source(kind, kind=kind, path=f"/{kind}") for kind in sorted(SYSTEMS)])
    told = {path[1:] for path, one in document["paths"].items() if "description" in one["post"]["requestBody"]}
    assert told == set(WRAPPED)
