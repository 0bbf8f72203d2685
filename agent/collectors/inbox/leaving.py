"""Posts that name somebody erased: taken note of as they are read, and gone when nothing needs them any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.arriving.spared import is_of_others
from agent.collectors.inbox.store import Inbox
from agent.model import Observation

Gone = Callable[[str, str], bool]
"""(site, LMS user id) → whether that account was erased."""


def nobody(_site: str, _user: str) -> bool:
    """Nobody was erased."""
    return False


class Leaving:
    """Those of one source."""

    def __init__(self, inbox: Inbox, source: str, gone: Gone) -> None:
        self._inbox = inbox
        self._source = source
        self._gone = gone
        self._alone: list[int] = []
        self._beside: list[int] = []

    def note(self, number: int, said: Sequence[Observation]) -> None:
        """Remember a post by what it says, where it names somebody erased: alone, or beside others."""
        gone = {user for seen in said for user in seen.people.values() if self._gone(seen.site, user)}
        if gone:
            beside = any(is_of_others(seen.people, gone) for seen in said)
            (self._beside if beside else self._alone).append(number)

    async def go(self, upto: int) -> None:
        """Let go of them, now that what they say is on disk; those beside others up to a number.

        Behind it posts are still to be looked at again.
        """
        alone, beside = self._alone, self._beside
        await self._inbox.let_go(self._source, alone, later=beside, upto=upto)
        self._alone, self._beside = [], []
