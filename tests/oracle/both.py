"""The agent and the reading side by side: told the same, asked the same, compared."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Generic, TypeVar

from tests.ledgers import rows
from tests.oracle.desk import Desk, Where
from tests.oracle.plain import Act, amounts
from tests.oracle.seen import events
from tests.pipelines import Running
from tests.unit.review.desks import desk

CURRENCIES = ("points", "stars")
OPEN = """
SELECT h.decision_no, h.rule_id, e.event_id
FROM hold h JOIN decision d USING (decision_no) JOIN event e USING (event_no)
WHERE h.state = 'open' ORDER BY h.decision_no
"""


Read = TypeVar("Read", bound=Desk)


class Both(Generic[Read]):
    """A running agent and a reader of the same rules; ``acts`` are all that either will be told."""

    def __init__(self, agent: Running, reader: Read, acts: Sequence[Act]) -> None:
        self.agent, self.reader = agent, reader
        self.keys = {one.event_id: act.key for act, one in zip(acts, events(acts), strict=True)}

    def open(self) -> dict[Where, int]:
        """The number of each decision that waits, by rule and act."""
        return {(rule, self.keys[event]): number for number, rule, event in rows(self.agent.data_dir, OPEN)}

    async def take(self, acts: Sequence[Act]) -> None:
        """One page."""
        for act in acts:
            self.reader.read(act)
        await self.agent.take(*(one.seen for one in events(acts)))

    async def approve(self, places: Sequence[Where], wanted: dict[str, int] | None) -> None:
        """At once, each with what follows from it."""
        numbers = self.open()
        told = await desk(self.agent).approve(decisions=[numbers[one] for one in places], by="d", amounts=wanted)
        found = [_said(one) for one in told if one["decision"]]
        assert found == [self.reader.approve(where, wanted) for where in places]

    async def reject(self, places: Sequence[Where]) -> None:
        """At once, and what that sets free."""
        numbers = self.open()
        told = await desk(self.agent).reject(decisions=[numbers[one] for one in places], by="d", reason="no")
        assert [_said(one) for one in told if one["decision"]] == self.reader.reject(places)

    async def apply(self, verdicts: Sequence[tuple[Where, str]]) -> None:
        """A sheet that somebody has filled in."""
        numbers = self.open()
        listed = [{"decision": numbers[where], "verdict": verdict, "reason": "so"} for where, verdict in verdicts]
        told = await desk(self.agent).apply(verdicts=listed, by="d")
        read = [
            self.reader.approve(where) if verdict == "approve" else self.reader.reject([where])[0]
            for where, verdict in verdicts
        ]
        assert [_said(one) for one in told if one["decision"]] == read

    async def settle(self, chance: Random) -> None:
        """Somebody decides on some of what waits."""
        waiting = sorted(self.open())
        places = chance.sample(waiting, min(chance.choice([1, 2, 3]), len(waiting)))
        match chance.choice(["approve", "other", "reject", "apply"]):
            case "approve":
                await self.approve(places, None)
            case "other":
                currency = chance.choice(["points", "points", "stars"])
                await self.approve(places, {currency: chance.choice([1, 2, 3, 6, 12])})
            case "reject":
                await self.reject(places)
            case _:
                await self.apply([(where, chance.choice(["approve", "reject"])) for where in places])

    def found(self) -> list[object]:
        """What the agent has paid, and what waits there."""
        return [*(self.agent.balances(currency) for currency in CURRENCIES), sorted(self.open())]

    def read(self) -> list[object]:
        """What the reading says of the same."""
        return [*(self.reader.balances(currency) for currency in CURRENCIES), self.reader.open()]


def _said(result: dict[str, object]) -> str:
    if result["outcome"] == "awarded":
        return amounts(result["postings"])  # type: ignore[arg-type]
    if result["outcome"] != "refused":
        return str(result["outcome"])
    reason = str(result["reason"])
    if "guardrails" in reason:
        return "outside"
    if "already" in reason:
        return "not held"
    if "promises no" in reason:
        return reason.removeprefix("decision ")
    why = reason.partition("cannot be paid any more: ")[2]
    return why.partition(" ")[0] if why.startswith(("once_per", "frequency")) else why.partition(":")[0]
