"""What a campus lets happen between its learners: kudos or none, words or tags alone, how often."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError

CAMPUS, PAIR, ANONYMOUS, NONE = "campus", "pair", "anonymous", "none"
"""Who may see something: everybody of the campus, giver and receiver, everybody but not from whom; nobody."""
SEEN = (CAMPUS, PAIR, ANONYMOUS)
_CHOICES = {"seen": SEEN, "badges": SEEN[:2]}
_UNITS = {"h": 3600, "d": 86_400}
_RATE = re.compile(r"([0-9]{1,4})/([0-9]{1,3})([hd])")
COUNT_MAX = 1000

_KEEP = text(
    "INSERT INTO recognition_policy (campus, body) VALUES (:campus, :body)"
    " ON CONFLICT (campus) DO UPDATE SET body = excluded.body"
)


class Rate(NamedTuple):
    """So many in a rolling window; what is exactly a window old no longer counts."""

    most: int
    window: str

    @property
    def seconds(self) -> int:
        """The window's length."""
        return int(self.window[:-1]) * _UNITS[self.window[-1]]

    def __str__(self) -> str:
        """As it is written: 10/1d."""
        return f"{self.most}/{self.window}"

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read ``10/1d`` or ``3/12h``.

        Raises:
            RefusedError: it is none.
        """
        found = _RATE.fullmatch(written) if isinstance(written, str) else None
        if found is None or int(found[1]) > COUNT_MAX or not int(found[2]):
            raise RefusedError(400, "policy", f"a rate is such as 10/1d or 3/12h, at most {COUNT_MAX}")
        return cls(int(found[1]), f"{int(found[2])}{found[3]}")


PER_GIVER = Rate(10, "1d")
PER_PAIR = Rate(2, "7d")
COMMENTS = Rate(30, "1d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``seen`` is who sees kudos whose giver does not say; ``words`` whether messages and comments may be written.

    ``badges`` is who sees the awards of the badges that agents give: nobody asked the learners, so at first they alone.
    """

    kudos: bool = True
    words: bool = True
    custom_tags: bool = True
    anonymous: bool = True
    seen: str = CAMPUS
    badges: str = PAIR
    per_giver: Rate = PER_GIVER
    per_pair: Rate = PER_PAIR
    comments: Rate = COMMENTS

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return {one.name: _plain(getattr(self, one.name)) for one in dataclasses.fields(self)}

    def changed(self, said: Mapping[str, Any]) -> Policy:
        """This one with what is said in place of what was.

        Raises:
            RefusedError: something is no setting, or cannot be what it is said to be.
        """
        kinds = {one.name: type(getattr(self, one.name)) for one in dataclasses.fields(self)}
        if unknown := sorted(set(said) - set(kinds)):
            raise RefusedError(400, "policy", f"no setting: {unknown[0][:40]}; there are {', '.join(kinds)}")
        new: dict[str, Any] = {}
        for name, value in said.items():
            if kinds[name] is Rate:
                new[name] = Rate.parse(value)
            elif not isinstance(value, kinds[name]) or value not in _CHOICES.get(name, (value,)):
                raise RefusedError(400, "policy", f"{name} is {' or '.join(_allowed(name))}")
            else:
                new[name] = value
        made = dataclasses.replace(self, **new)
        if made.seen == ANONYMOUS and not made.anonymous:
            raise RefusedError(400, "policy", "seen cannot be anonymous where anonymous kudos are not allowed")
        return made


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Rate) else value


def _allowed(name: str) -> tuple[str, ...]:
    return _CHOICES.get(name, ("true", "false"))


async def of_campus(conn: AsyncConnection, campus: str) -> Policy:
    """A campus's policy; one that said nothing has the defaults."""
    table = schema.recognition_policy.c
    body = await conn.scalar(select(table.body).where(table.campus == campus))
    return Policy() if body is None else Policy().changed(json.loads(body))


async def change(conn: AsyncConnection, campus: str, said: Mapping[str, Any]) -> Policy:
    """Keep a campus's policy with what is said.

    Raises:
        RefusedError: it cannot be so.
    """
    made = (await of_campus(conn, campus)).changed(said)
    await conn.execute(_KEEP, {"campus": campus, "body": json.dumps(made.told(), sort_keys=True)})
    return made
