"""What others' rows say of somebody who is erased, rewritten so that they stay and the person goes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from agent.ledger.record.erased import Erased

V = TypeVar("V")

NAMES_A_PERSON = frozenset({"reply_to"})
"""Facts whose value is an LMS user id."""
ERASED = "erased-"
"""How what stands for an account, or for an act, begins."""
_SUBJECT = "subject="
_EVENT = "event="
_PAIR = ":pair:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """Of whom: ``learners`` to what stands for them, ``acts`` (hex ids) likewise, ``ids`` the LMS user ids by site."""

    learners: Mapping[str, str]
    acts: Mapping[str, str]
    ids: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, erased: Erased, accounts: tuple[tuple[str, str], ...], events: Mapping[bytes, bytes]) -> Clearing:
        """For these accounts; ``events`` are the ids of acts and those that stand for them."""
        sites = {site for site, _ in accounts}
        return cls(
            learners={":".join(one): f"{one[0]}:{erased.called(one)}" for one in accounts},
            acts={before.hex(): ERASED + after.hex()[:32] for before, after in events.items()},
            ids={site: frozenset(user for where, user in accounts if where == site) for site in sites},
        )

    def scope(self, text: str) -> str:
        """A `once_per` scope (`lesson=moodle:7|subject=moodle:35`)."""
        return "|".join(self._part(part) for part in text.split("|")) if self._may_name(text) else text

    def _may_name(self, text: str) -> bool:
        return _SUBJECT in text or _EVENT in text

    def _part(self, part: str) -> str:
        if part.startswith(_SUBJECT):
            value = part.removeprefix(_SUBJECT)
            return _SUBJECT + self.learners.get(value, value)
        if part.startswith(_EVENT):
            value = part.removeprefix(_EVENT)
            return _EVENT + self.acts.get(value, value)
        return part

    def bucket(self, meter: str, text: str) -> str:
        """The bucket of a use: a scope, or in checks of pairs the other one and a window (`moodle:35@7`)."""
        if _PAIR in meter:
            learner, at, window = text.rpartition("@")
            return self.learners.get(learner, learner) + at + window
        return self.scope(text)

    def uses(self, listed: list[Any], kept: int) -> tuple[list[Any], int]:
        """Uses as promises and awards keep them, those of the person left out; how many of the first ``kept`` stay."""
        mine = [use[2] in self.learners for use in listed]
        left = [
            [use[0], self.bucket(use[0], use[1]), *use[2:]] for use, gone in zip(listed, mine, strict=True) if not gone
        ]
        return left, kept - sum(mine[:kept])

    def promise(self, written: bytes) -> bytes:
        """The promise of somebody else's hold."""
        data = orjson.loads(written)
        data["u"], kept = self.uses(data["u"], data.get("r", 0))
        return orjson.dumps({**data, "r": kept} if "r" in data else data)

    def award(self, written: bytes) -> bytes:
        """What an undo of somebody else's award would take back."""
        data = orjson.loads(written)
        data["u"], _ = self.uses(data["u"], 0)
        return orjson.dumps({**data, "s": self.scope(data["s"])})

    def detail(self, written: bytes | None, site: str) -> bytes | None:
        """What explains a decision about somebody else."""
        if not written:
            return written
        data = orjson.loads(written)
        if "s" in data:
            data["s"] = self.scope(data["s"])
        ids = self.ids.get(site, frozenset())
        if "c" in data:
            data["c"] = [
                [text, status, "" if text.startswith(tuple(NAMES_A_PERSON)) and seen in ids else seen]
                for text, status, seen in data["c"]
            ]
        return orjson.dumps(data)

    def payload(self, written: bytes, site: str) -> bytes:
        """What an act says that stays for others who took part in it."""
        data, gone = orjson.loads(written), self.ids.get(site, frozenset())
        data["w"] = {role: user for role, user in data["w"].items() if user not in gone}
        data["f"] = facts_without(data["f"], gone)
        for name in ("pm", "ac"):
            if name in data:
                data[name] = {user: value for user, value in data[name].items() if user not in gone}
        data["er"] = 1  # its id is another one, so that what entries say of it can be compared no longer
        return orjson.dumps(data)


def facts_without(facts: Mapping[str, V], gone: Collection[str]) -> dict[str, V]:
    """The facts that neither are about anybody of ``gone`` (LMS user ids) nor name them."""
    return {
        name: value
        for name, value in facts.items()
        if name.rpartition(":")[2] not in gone and not (name in NAMES_A_PERSON and str(value) in gone)
    }
