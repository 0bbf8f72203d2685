"""What Kajabi's hooks say of tags, by the samples of its documentation and the plain shapes of automations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.collectors.systems.base import RefusedPostError
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Identifier, Observation
from tests.posts import TOKEN, door_source, open_door
from tests.unit.door.test_tool_trigger import arrival

TAG = "elevate-ai-1-completed"
CONTACT = {
    "id": "77",
    "type": "contacts",
    "attributes": {"name": "Sample Recipient", "email": "sample@example.com", "subscribed": False},
    "relationships": {"site": {"data": {"id": "2", "type": "sites"}}},
}
TAGGED = {"id": "5", "type": "contact_tags", "attributes": {"name": TAG}}


def seen(body: Any, **changes: Any) -> list[Observation]:
    return list(SYSTEMS["kajabi"].observations(arrival(json.dumps(body).encode(), **changes), KindTable()))


def hook(*parts: Any, event: str = "tag_added") -> dict[str, Any]:
    return {"id": "hash_id", "event": event, "payload": list(parts)}


@pytest.mark.parametrize(
    "body",
    [
        hook(CONTACT, TAGGED),
        hook(TAGGED, CONTACT),
        {"event": "tag_added", "payload": {"contact": {"id": 77}, "tag": {"id": 5, "name": TAG}}},
        {"event": "tag.added", "tag": TAG, "contact": {"id": "77", "email": "sample@example.com"}},
        {"event": "tag_added", "tag": {"name": TAG}, "contact_id": 77},
        {"event_type": "TAG_ADDED", "tag_name": TAG, "member": {"id": 77}},
        {"event": "tag_added", "payload": {"tag": TAG, "user_id": "77"}},
    ],
)
def test_every_shape_of_a_tag_hook_is_the_same_fact(body: dict[str, Any]) -> None:
    (found,) = seen(body)
    assert found.natural_key == ("kajabi", "tag.added", "77", TAG)
    assert (found.kind, found.people, dict(found.facts)) == ("tag.added", {"subject": "77"}, {"tag": TAG})
    assert "sample" not in repr(found).lower()
    (later,) = seen({**body, "id": "another_delivery"}, received_at=found.occurred_at + 900, number=9)
    assert later.natural_key == found.natural_key


def test_a_tag_that_is_taken_away_names_what_was_given() -> None:
    (added,) = seen(hook(CONTACT, TAGGED))
    (removed,) = seen(hook(CONTACT, TAGGED, event="tag_removed"))
    assert (removed.kind, removed.object_table, removed.object_id) == ("tag.removed", added.object_table, TAG)
    assert removed.natural_key != added.natural_key


def test_somebody_without_a_number_is_known_by_a_digest_of_the_address() -> None:
    (one,) = seen({"event": "tag_added", "tag": TAG, "email": "Sample@Example.com"})
    (two,) = seen({"event": "tag_added", "tag": TAG, "contact": {"email": "sample@example.com "}})
    assert one.natural_key == two.natural_key
    assert "sample" not in repr(one).lower()
    assert dict(one.identifiers) == {one.people["subject"]: (Identifier(by="email", value="Sample@Example.com"),)}


def test_the_address_of_a_contact_says_who_that_is_and_an_address_elsewhere_does_not() -> None:
    (found,) = seen(hook(TAGGED, CONTACT))
    assert dict(found.identifiers) == {"77": (Identifier(by="email", value="sample@example.com"),)}
    (found,) = seen({"event": "tag_added", "tag": TAG, "contact": {"id": 77}, "email": "coach@example.com"})
    assert not found.identifiers


@pytest.mark.parametrize("event", ["purchase", "form_submission", "order_created", "payment_succeeded", "new"])
def test_other_events_of_kajabi_are_taken_and_empty(event: str) -> None:
    assert seen(hook(CONTACT, event=event)) == []


@pytest.mark.parametrize(
    ("body", "reason", "name"),
    [
        ({}, "field_missing", "event"),
        (hook(TAGGED), "field_missing", "contact.id"),
        (hook(CONTACT), "field_missing", "tag"),
        (hook(CONTACT, "tag"), "field_invalid", "payload"),
        (hook(*[CONTACT] * 21), "field_invalid", "payload"),
        ({"event": "tag_added", "payload": "x"}, "field_invalid", "payload"),
        ({"event": "tag_added", "tag": True, "contact_id": 7}, "field_invalid", "tag"),
    ],
)
def test_a_broken_hook_of_kajabi_is_refused_with_its_field(body: Any, reason: str, name: str) -> None:
    with pytest.raises(RefusedPostError) as caught:
        seen(body)
    assert (caught.value.reason, caught.value.name) == (reason, name)


async def test_a_system_that_sends_no_header_shows_its_token_in_the_address_and_no_other_may(tmp_path: Path) -> None:
    kajabi = door_source("kajabi", kind="kajabi", path="/kajabi")
    trigger = door_source()
    async with open_door(tmp_path, kajabi, trigger) as door:
        body = hook(CONTACT, TAGGED)
        for path, status in (
            (f"/kajabi?token={TOKEN}", 200),
            ("/kajabi?token=another", 404),
            ("/kajabi?token=", 404),
            ("/kajabi", 404),
            (f"{trigger.path}?token={TOKEN}", 404),
        ):
            assert (await door.post(body, path=path, token=None)).status == status, path
        assert (await door.post(body, path=f"/kajabi?token={TOKEN}", token="another")).status == 404
