"""The door's OpenAPI document is true: what it says is answered, and what is made from it never breaks the door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from agent.collectors.door.document import described
from agent.collectors.systems.registry import SYSTEMS
from tests.json_schema import faults
from tests.posts import OpenDoor, door_source, open_door

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def made_from(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit a schema of the document."""
    if "anyOf" in schema:
        return st.one_of([made_from(one) for one in schema["anyOf"]])
    told = schema.get("type")
    kinds = told if isinstance(told, list) else [told]
    return st.one_of([_of_type(kind, schema) for kind in kinds])


def _of_type(kind: str | None, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    match kind:
        case "object":
            known = {name: made_from(one) for name, one in schema.get("properties", {}).items()}
            required = {name: known[name] for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional={n: s for n, s in known.items() if n not in required})
        case "array":
            return st.lists(made_from(schema["items"]), max_size=4)
        case "integer":
            return st.integers(-5, 2_000_000_000)
        case "string":
            return st.from_regex(schema["pattern"]) if "pattern" in schema else st.text(max_size=30)
    return ANY


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


@pytest.mark.parametrize("kind", sorted(SYSTEMS))
@effort(max_examples=40)
@given(data=st.data())
def test_whatever_the_document_allows_and_anything_else_is_answered_as_it_says(
    running: tuple[asyncio.Runner, OpenDoor], kind: str, data: st.DataObject
) -> None:
    runner, at = running
    document = described(at.door.sources)
    schema = document["paths"][f"/{kind}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body = data.draw(made_from(schema).map(lambda one: json.dumps(one).encode()) | ANY.map(_bytes) | st.binary())
    answer = runner.run(at.post(body, path=f"/{kind}"))
    assert answer.status in {200, 400}
    assert answer_fits(document, f"/{kind}", answer.status, answer.told) == []


def _bytes(value: object) -> bytes:
    return json.dumps(value).encode()


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
