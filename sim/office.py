"""Who decides on campus about people and what they sent: reviews what waits, some of it twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random

from sim.look import look
from sim.world import World


class Office:
    """Does what it is asked for at the running agent, which may be dead, die of it or refuse."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._chance = chance

    async def look_at_essays(self) -> None:
        """Review what waits now."""
        if (seen := look(self._world.agent.home)) is not None:
            await self.review(seen.reviews)

    async def review(self, waiting: Iterable[tuple[int, int]]) -> None:
        """`rewards-agent review`: two reviewers say the same of each essay, one after the other or both at once."""
        good = {form.number for form in self._world.forms if form.good}
        for verdict in (True, False):
            decisions = [number for number, form in waiting if (form in good) is verdict]
            if decisions:
                await self._said(decisions, "approve" if verdict else "reject")

    async def _said(self, decisions: list[int], verdict: str) -> None:
        agent, how = self._world.agent, self._chance.choice(("in turn", "at once", "as a file"))
        self._world.trace.fault("essays reviewed twice", f"{verdict} {how}: {decisions}")
        told = [{"decision": number, "verdict": verdict, "reason": "read"} for number in decisions]

        async def said(who: int) -> None:
            if how == "as a file":
                await agent.typed("review.apply", verdicts=told, by=f"reviewer {who}")
            else:
                await agent.typed(f"review.{verdict}", decisions=decisions, reason="read", by=f"reviewer {who}")

        if how == "at once":
            await asyncio.gather(said(1), said(2))
        else:
            await said(1)
            await said(2)
