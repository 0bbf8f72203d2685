"""What learners are called, where a campus lets that leave it: a register beside the books, which never name anybody.

Whatever of it is told later counts, in whatever order messages come: each name carries when it was told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from wire import canonical
from wire.canonical import WHOLE_MAX, MalformedError

FORMAT = 1
CONTENT_TYPE = "application/json"
PATH = "/v1/names"
SAID_BY = ("username", "email")
"""What a name may be."""
NAMES_MAX = 200
"""Most names in one message."""
NAME_CHARS_MAX = 320
MESSAGE_BYTES_MAX = 2**20
ANSWER_BYTES_MAX = 4096

_REGISTER = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Name:
    """What the learner of a pseudonym is called; nothing where they have no name any more.

    ``told_at``: seconds UTC; of two for one learner the later holds. Has no repr that could end in a log.
    """

    learner: str
    name: str
    told_at: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Names:
    """What an agent tells of its learners. ``said_by``, one of `SAID_BY`, says what the names are.

    ``register`` is the one that names are for: in another they are not kept. ``withdrawn``: whatever was told until
    then (seconds UTC) holds no more; 0: nothing of it. Without names it asks which register there is.
    """

    campus: str
    agent: str
    said_by: str
    register: str = ""
    names: tuple[Name, ...] = ()
    withdrawn: int = 0

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "v": FORMAT,
                "kind": "names",
                "campus": self.campus,
                "agent": self.agent,
                "said_by": self.said_by,
                "register": self.register,
                "names": {one.learner: [one.name, one.told_at] for one in self.names},
                "withdrawn": self.withdrawn,
            }
        )

    @classmethod
    def parse(cls, body: bytes) -> Names:
        """Read one; names come in the order of their pseudonyms.

        Raises:
            MalformedError: it is not one, or holds more than one message may.
        """
        fields = canonical.message(body, "names", form=FORMAT, bytes_max=MESSAGE_BYTES_MAX)
        names, said_by = fields.get("names"), fields.get("said_by")
        if not isinstance(names, dict) or len(names) > NAMES_MAX:
            raise MalformedError(f"field 'names' must be an object of at most {NAMES_MAX} learners")
        if said_by not in SAID_BY:
            raise MalformedError(f"field 'said_by' must be one of {', '.join(SAID_BY)}")
        return cls(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            said_by=said_by,
            register=_register(fields, empty=True),
            names=tuple(_name(learner, told) for learner, told in sorted(names.items())),
            withdrawn=_time({"withdrawn": fields.get("withdrawn")}, "withdrawn"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The answer: it is kept. ``register`` is another one where what was told before is not there any more."""

    campus: str
    agent: str
    register: str

    def encode(self) -> bytes:
        """Canonical bytes."""
        said = {"campus": self.campus, "agent": self.agent, "register": self.register}
        return canonical.dump({"v": FORMAT, "kind": "named", **said})

    @classmethod
    def parse(cls, body: bytes) -> Named:
        """Read one.

        Raises:
            MalformedError: it is not one.
        """
        fields = canonical.message(body, "named", form=FORMAT, bytes_max=ANSWER_BYTES_MAX)
        return cls(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            register=_register(fields, empty=False),
        )


def fits(name: str) -> bool:
    """Whether a name can be told: not too long, and nothing in it that no screen shows."""
    return 0 < len(name) <= NAME_CHARS_MAX and name.isprintable()


def _register(fields: dict[str, Any], *, empty: bool) -> str:
    register = fields.get("register")
    if isinstance(register, str) and (_REGISTER.fullmatch(register) or (empty and register == "")):
        return register
    raise MalformedError("field 'register' must be 16 lower-case hex digits")


def _name(learner: object, told: object) -> Name:
    if not (isinstance(told, list) and len(told) == len(("name", "told_at"))):
        raise MalformedError("a name is told with when it was told")
    name, told_at = told
    if not isinstance(name, str) or not (name == "" or fits(name)):
        raise MalformedError(f"a name is at most {NAME_CHARS_MAX} printable characters")
    called = canonical.called({"learner": learner}, "learner")
    return Name(learner=called, name=name, told_at=_time({"told_at": told_at}, "told_at"))


def _time(fields: dict[str, Any], name: str) -> int:
    """Seconds UTC, which something later can follow."""
    found = canonical.whole(fields, name)
    if found >= WHOLE_MAX:
        raise MalformedError(f"field {name!r} must be less than {WHOLE_MAX}")
    return found
