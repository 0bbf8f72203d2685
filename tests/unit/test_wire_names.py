"""The message of names: one spelling, and nothing in it that a screen or a database could not show."""

from __future__ import annotations

from typing import Any

import pytest

from wire import canonical
from wire.canonical import WHOLE_MAX, MalformedError
from wire.people.names import NAME_CHARS_MAX, NAMES_MAX, Name, Named, Names

MESSAGE: dict[str, Any] = {
    "v": 1,
    "kind": "names",
    "campus": "uni",
    "agent": "agent-1",
    "said_by": "email",
    "register": "0123456789abcdef",
    "names": {"p1": ["ann@example.org", 7], "p2": ["", 8]},
    "withdrawn": 3,
}


def test_what_is_encoded_is_read_as_it_was() -> None:
    one = Names(
        campus="uni",
        agent="agent-1",
        said_by="email",
        register="0123456789abcdef",
        names=(Name(learner="p1", name="ann@example.org", told_at=7), Name(learner="p2", name="", told_at=8)),
        withdrawn=3,
    )
    assert one.encode() == canonical.dump(MESSAGE)
    assert Names.parse(one.encode()) == one
    assert "ann" not in repr(one)
    answer = Named(campus="uni", agent="agent-1", register="0123456789abcdef")
    assert Named.parse(answer.encode()) == answer


@pytest.mark.parametrize(
    "wrong",
    [
        {"said_by": "phone"},
        {"names": []},
        {"names": {"p 1": ["ann", 7]}},
        {"names": {"p1": "ann"}},
        {"names": {"p1": ["ann"]}},
        {"names": {"p1": ["ann\n", 7]}},
        {"names": {"p1": ["a" * (NAME_CHARS_MAX + 1), 7]}},
        {"names": {"p1": ["ann", WHOLE_MAX]}},
        {"names": {"p1": ["ann", -1]}},
        {"names": {"p1": ["ann", True]}},
        {"names": {f"p{number}": ["ann", 7] for number in range(NAMES_MAX + 1)}},
        {"withdrawn": None},
        {"register": None},
        {"register": "0123"},
        {"v": 2},
        {"kind": "people"},
        {"campus": "../etc"},
    ],
)
def test_a_message_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        Names.parse(canonical.dump(MESSAGE | wrong))


@pytest.mark.parametrize("register", [None, "", "0123456789ABCDEF", "0123"])
def test_an_answer_without_a_register_is_none(register: str | None) -> None:
    said = {"v": 1, "kind": "named", "campus": "uni", "agent": "agent-1", "register": register}
    with pytest.raises(MalformedError):
        Named.parse(canonical.dump(said))
