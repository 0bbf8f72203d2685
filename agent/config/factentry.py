"""What one line of the table of facts holds, and the names that its lines share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

FactType = Literal["bool", "int", "text", "rational", "texts"]
"""`rational` is int or Fraction; `texts` is a tuple of text."""

ANY_KIND = ("*",)
LOGSTORE = "moodle-logstore"
TOOL_TRIGGER = "tool-trigger"
MOODLE_WS = "moodle-ws"
POSTS = (LOGSTORE, TOOL_TRIGGER, MOODLE_WS)
ASKED = (LOGSTORE, MOODLE_WS)
"""What is looked up, in a database or by web services."""
CANVAS = "canvas"
GENERIC = "generic"
KAJABI = "kajabi"
LEARNWORLDS = "learnworlds"
THINKIFIC = "thinkific"
XAPI = "xapi"
PERSON = "person_"
"""How the names of facts begin that `[person] facts` reads from custom profile fields."""
RULES = "the rules"
"""What the engine itself makes known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactEntry:
    """One line of the table.

    ``kinds`` are kind patterns (`forum.*`); ``suppliers`` the source kinds that can give it; ``tables`` (without
    prefix) what the log-table collector reads for it besides the log: where one cannot be read the fact is absent.
    ``of_person`` facts are stored once per person as `<name>:<LMS user id>`; ``condition`` is False for names that are
    demanded but that no condition can look at. ``only`` says of a supplier for which kinds it can give it, where these
    are not all.
    """

    name: str
    kinds: tuple[str, ...]
    type: FactType
    unit: str
    meaning: str
    sample: str
    suppliers: tuple[str, ...] = (LOGSTORE,)
    tables: tuple[str, ...] = ()
    of_person: bool = False
    condition: bool = True
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def applies_to(self, kind: str) -> bool:
        """Whether events of this kind can have the fact."""
        return _is_among(kind, self.kinds)

    def suppliers_for(self, kind: str) -> frozenset[str]:
        """The source kinds that can give it for events of this kind."""
        if not self.applies_to(kind):
            return frozenset()
        return frozenset(one for one in self.suppliers if _is_among(kind, self.only.get(one, ANY_KIND)))


def _is_among(kind: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(kind, pattern) for pattern in patterns)
