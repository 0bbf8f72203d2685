"""What a campus says when a learner of its own wants to spend: a pseudonym, a wish, and what the campus knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from wire import canonical
from wire.canonical import MalformedError

FORMAT = 1
CONTENT_TYPE = "application/json"
MESSAGE_BYTES_MAX = 16 * 2**10
COHORTS_MAX = 100
WHY_CHARS_MAX = 300
TOKEN_CHARS_MAX = 200
"""Longest one-time token that a learner can show."""
SETTLED_MAX = 50
"""Most vouchers of each kind that one message settles."""
SPENT = "spent"
RETURNED = "returned"
NOBODY = "-"
"""In place of a learner, where a message is about several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Which agent asks for whom. ``cohorts`` and ``country`` (two capital letters, or empty) are the campus's word."""

    campus: str
    agent: str
    learner: str
    cohorts: tuple[str, ...] = ()
    country: str = ""

    def encode(self) -> bytes:
        """Canonical bytes of the question what there is for this learner."""
        return canonical.dump(_said(self, {}))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read it.

        Raises:
            MalformedError: it is no such question.
        """
        return cls(**_asker(_load(body)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated(Asker):
    """Which cohorts does a reward ask for, or, where it is empty, all that is on offer?"""

    reward: str = ""

    def encode(self) -> bytes:
        """Canonical bytes of the question."""
        return canonical.dump(_said(self, {"reward": self.reward}))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read it.

        Raises:
            MalformedError: it is no such question.
        """
        fields = _load(body)
        return cls(**_asker(fields), reward=canonical.text(fields, "reward", empty=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish(Asker):
    """A reward, please. ``key`` is the agent's own name for it; ``currency`` may be empty where there is one price."""

    key: str
    reward: str
    currency: str = ""

    def encode(self) -> bytes:
        """Canonical bytes of the wish."""
        return canonical.dump(_said(self, {"key": self.key, "reward": self.reward, "currency": self.currency}))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read it.

        Raises:
            MalformedError: it is no wish.
        """
        fields = _load(body)
        return cls(
            **_asker(fields),
            key=canonical.text(fields, "key"),
            reward=canonical.text(fields, "reward"),
            currency=canonical.text(fields, "currency", empty=True),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw(Wish):
    """A voucher, please, to be kept for when there is no line: for this life of the agent (``epoch``) alone."""

    epoch: int

    def encode(self) -> bytes:
        """Canonical bytes of it."""
        more = {"key": self.key, "reward": self.reward, "currency": self.currency, "epoch": self.epoch}
        return canonical.dump(_said(self, more))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read it.

        Raises:
            MalformedError: it is no such message.
        """
        fields = _load(body)
        return cls(
            **_asker(fields),
            key=canonical.text(fields, "key"),
            reward=canonical.text(fields, "reward"),
            currency=canonical.text(fields, "currency", empty=True),
            epoch=canonical.whole(fields, "epoch", least=1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle(Asker):
    """What became of vouchers that were made beforehand, by the redemptions' names. ``learner`` is nobody's."""

    epoch: int
    spent: tuple[str, ...]
    returned: tuple[str, ...]

    def encode(self) -> bytes:
        """Canonical bytes of it."""
        more = {"epoch": self.epoch, SPENT: list(self.spent), RETURNED: list(self.returned)}
        return canonical.dump(_said(self, more))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read it.

        Raises:
            MalformedError: it is no such message.
        """
        fields = _load(body)
        return cls(
            **_asker(fields),
            epoch=canonical.whole(fields, "epoch", least=1),
            spent=_names(fields, SPENT),
            returned=_names(fields, RETURNED),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Asker):
    """This learner no longer wants a redemption that nothing was sent for."""

    redemption: str
    why: str

    def encode(self) -> bytes:
        """Canonical bytes of it."""
        return canonical.dump(_said(self, {"redemption": self.redemption, "why": self.why}))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read it.

        Raises:
            MalformedError: it is no such message.
        """
        fields = _load(body)
        why = canonical.text(fields, "why", most=WHY_CHARS_MAX)
        return cls(**_asker(fields), redemption=canonical.text(fields, "redemption"), why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Till(Asker):
    """A voucher that a learner shows: look at it, or use it. ``learner`` is nobody's.

    ``key`` is the agent's own name for this use, empty where it is only looked at; ``by`` is who stands at the till.
    """

    token: str
    key: str
    by: str

    def encode(self) -> bytes:
        """Canonical bytes of it."""
        return canonical.dump(_said(self, {"token": self.token, "key": self.key, "by": self.by}))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read it.

        Raises:
            MalformedError: it is no such message.
        """
        fields = _load(body)
        return cls(
            **_asker(fields),
            token=canonical.text(fields, "token", most=TOKEN_CHARS_MAX),
            key=canonical.text(fields, "key", empty=True),
            by=canonical.text(fields, "by", empty=True),
        )


def _names(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = fields.get(name)
    if not isinstance(found, list) or len(found) > SETTLED_MAX:
        raise MalformedError(f"field {name!r} must be a list of at most {SETTLED_MAX} names")
    return tuple(canonical.text({"name": one}, "name") for one in found)


def _said(asker: Asker, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "v": FORMAT,
        "campus": asker.campus,
        "agent": asker.agent,
        "learner": asker.learner,
        "cohorts": list(asker.cohorts),
        "country": asker.country,
        **more,
    }


def _load(body: bytes) -> dict[str, Any]:
    if len(body) > MESSAGE_BYTES_MAX:
        raise MalformedError(f"a message of {len(body)} bytes is more than {MESSAGE_BYTES_MAX}")
    fields = canonical.load(body, what="the message")
    canonical.version(fields, FORMAT)
    return fields


def _asker(fields: Mapping[str, Any]) -> dict[str, Any]:
    cohorts = fields.get("cohorts")
    if not isinstance(cohorts, list) or len(cohorts) > COHORTS_MAX:
        raise MalformedError(f"field 'cohorts' must be a list of at most {COHORTS_MAX} names")
    return {
        "campus": canonical.called(fields, "campus"),
        "agent": canonical.called(fields, "agent"),
        "learner": canonical.text(fields, "learner"),
        "cohorts": tuple(canonical.text({"cohort": name}, "cohort") for name in cohorts),
        "country": canonical.text(fields, "country", most=2, empty=True),
    }
