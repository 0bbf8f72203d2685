"""What a campus says when a learner of its own recognises another, or looks: pseudonyms, a tag, words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from wire import canonical
from wire.canonical import MalformedError

FORMAT = 1
CONTENT_TYPE = "application/json"
MESSAGE_BYTES_MAX = 16 * 2**10
FIELDS_MAX = 12
VALUE_CHARS_MAX = 2000
PATH = "/v1/recognition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that an agent asks for.

    ``act`` is what (`give`, `like`, `list`, …), ``learner`` the pseudonym of who does it or looks, empty where the
    campus itself does; ``fields`` are what that act needs, texts and whole numbers.
    """

    campus: str
    agent: str
    act: str
    learner: str = ""
    fields: Mapping[str, str | int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Canonical bytes."""
        said = {"v": FORMAT, "campus": self.campus, "agent": self.agent, "act": self.act, "learner": self.learner}
        return canonical.dump({**said, "fields": dict(self.fields)})

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read one.

        Raises:
            MalformedError: it is none.
        """
        if len(body) > MESSAGE_BYTES_MAX:
            raise MalformedError(f"a message of {len(body)} bytes is more than {MESSAGE_BYTES_MAX}")
        said = canonical.load(body, what="the message")
        canonical.version(said, FORMAT)
        fields = said.get("fields")
        if not isinstance(fields, dict) or len(fields) > FIELDS_MAX:
            raise MalformedError(f"field 'fields' must be an object of at most {FIELDS_MAX}")
        for name, value in fields.items():
            if isinstance(value, int) and not isinstance(value, bool):
                canonical.whole(fields, name)
            else:
                canonical.text(fields, name, most=VALUE_CHARS_MAX, empty=True)
        return cls(
            campus=canonical.called(said, "campus"),
            agent=canonical.called(said, "agent"),
            act=canonical.called(said, "act"),
            learner=canonical.text(said, "learner", empty=True),
            fields=fields,
        )
