"""Kajabi's tags: `{"id", "event": "tag_added", "payload": [contact, tag]}`, and what automations and Zaps send.

The latter is plain: `{"event": "tag_added", "tag": "…", "contact": {"id": "…"}}`. Kajabi tells no time: an act happened
when its post came. A tag is had once by each learner, so learner and tag are the whole key: it pays once however often
it is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.collectors.systems.base import Act, Arrival, identified, invalid, missing, object_of, observed, text_in
from agent.collectors.systems.fields import by_email, id_in, part
from agent.config.kinds import KindTable
from agent.model import Observation

KINDS: Mapping[str, str] = {"tag_added": "tag.added", "tag_removed": "tag.removed"}
_PARTS_MAX = 20


class Kajabi:
    """The mapping; a `System`."""

    def observations(self, arrival: Arrival, kinds: KindTable) -> Sequence[Observation]:
        """The tag of a post; none for other events."""
        del kinds  # the event says which it is
        post = object_of(arrival.body)
        event = text_in(post, "event", most=100) or text_in(post, "event_type", most=100)
        if event is None:
            raise missing("event")
        kind = KINDS.get(event.lower().replace(".", "_"))
        if kind is None:
            return ()
        parts = list(_parts(post))
        (learner, told), tag = _learner(parts), _tag(parts)
        act = Act(
            name=rf"\kajabi\event\{kind.replace('.', '_')}",
            kind=kind,
            people={"subject": learner},
            key=("kajabi", kind, learner, tag),
            at=arrival.received_at,
            object_table="tag",
            object_id=tag,
            facts={"tag": tag},
            identifiers=identified(learner, told),
        )
        return (observed(act, arrival),)


def _parts(post: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(`contact`, `tag` or `post`, its fields); JSON:API's attributes stand beside the id."""
    payload = post.get("payload")
    if payload is None:
        payload = {name: post[name] for name in ("contact", "member", "user", "tag") if name in post}
        yield "post", post
    if isinstance(payload, list):
        if len(payload) > _PARTS_MAX:
            raise invalid("payload", f"a list of at most {_PARTS_MAX} parts")
        for each in payload:
            if not isinstance(each, dict):
                raise invalid("payload", "a list of objects")
            name = "tag" if "tag" in (text_in(each, "type", most=100) or "") else "contact"
            yield name, {**part(each, "attributes"), "id": each.get("id")}
    elif isinstance(payload, dict):
        yield "post", payload
        for name, value in payload.items():
            if isinstance(value, dict) and name in {"contact", "member", "user", "tag"}:
                yield "tag" if name == "tag" else "contact", {**part(value, "attributes"), **value}
    else:
        raise invalid("payload", "a list or an object")


def _learner(parts: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[str, Mapping[str, Any]]:
    """The contact's id, or where a post has none a digest of its address; and what stands beside it."""
    contacts = [fields for name, fields in parts if name == "contact"]
    posts = [fields for name, fields in parts if name == "post"]
    for fields, names in (
        *((one, ("id",)) for one in contacts),
        *((one, ("contact_id", "member_id", "user_id")) for one in posts),
    ):
        for name in names:
            found = id_in(fields, name)
            if found is not None:
                return found, {"email": fields.get("email")}
    for fields in (*contacts, *posts):
        email = text_in(fields, "email")
        if email is not None:
            return by_email(email), {"email": email}
    raise missing("contact.id", "the contact's id, or the same address in every post")


def _tag(parts: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The tag's name; ids of tags say nothing to those who write rules."""
    for name, fields in parts:
        found = id_in(fields, "name") if name == "tag" else None
        if found is not None:
            return found
    for name, fields in parts:
        plain = {} if name != "post" or isinstance(fields.get("tag"), dict) else fields
        found = id_in(plain, "tag") or id_in(plain, "tag_name")
        if found is not None:
            return found
    raise missing("tag", "the tag's name")
