"""Whose accounts those of a page are, merged, linked, or erased, and what is forgotten: known before it is judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import aiosqlite

from agent.arriving.agreed import Consents, not_agreed
from agent.arriving.heard import Heard
from agent.arriving.linked import Linking
from agent.arriving.spared import left_by_its_person, spared
from agent.config.kinds import DELETED
from agent.engine import evaluate, trust
from agent.engine.evaluate import Verdict
from agent.engine.rulebook import Rulebook
from agent.engine.sighting import again
from agent.errors import InvalidInputError
from agent.ledger.centre import said
from agent.ledger.merging import aliases
from agent.ledger.merging.aliases import Account, Aliases
from agent.ledger.privacy import retention
from agent.ledger.privacy.retention import Forgotten
from agent.ledger.record import agreed, erased
from agent.ledger.record.erased import Erased, Span
from agent.ledger.record.people import People
from agent.model import Event, Page, SourceState, Trust


class Whose:
    """The aliases and marks of a ledger in memory. ``linking`` adds to them as events come in; None links nobody.

    ``consents`` say who has agreed to take part; None asks nobody. ``heard`` keeps what posts call people; None keeps
    nothing. ``sites`` are those of the sources, by name, where they are called otherwise.
    """

    def __init__(
        self,
        people: People,
        linking: Linking | None = None,
        consents: Consents | None = None,
        heard: Heard | None = None,
        sites: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.aliases = Aliases()
        self._forgotten = Forgotten()
        self._people = people
        self._linking = linking
        self._consents = consents
        self._heard = heard
        self._known = False
        self._sites = sites

    @property
    def erased(self) -> Erased:
        """Who was erased."""
        return self._people.erased

    def is_gone(self, site: str, user: str) -> bool:
        """Whether an account was erased, and not readmitted since."""
        return self.erased.bars_now((site, user))

    def forget(self) -> None:
        """A unit was rolled back: what is in memory may be another story than what stands on disk."""
        self._known = False
        if self._linking is not None:
            self._linking.forget()

    async def adopt(self, connection: aiosqlite.Connection) -> None:
        """Begin; inside one of the writer's units."""
        await agreed.ask(connection, first=self._consents is not None)
        await self.read(connection)
        if self._linking is not None:
            await self._linking.adopt(connection)
        await (said.adopt(connection, "") if self._heard is None else self._heard.adopt(connection))

    async def read(self, connection: aiosqlite.Connection) -> None:
        """As they stand."""
        self.aliases = await aliases.load(connection)
        self._people.erased = await erased.adopt(connection)
        self._forgotten = await retention.load(connection)
        if self._consents is not None:
            await self._consents.read(connection)
        self._known = True

    async def now(self, connection: aiosqlite.Connection) -> Aliases:
        """The aliases as they stand, also where a unit was rolled back that had others."""
        if not self._known:
            await self.read(connection)
        return self.aliases

    async def spared(
        self,
        connection: aiosqlite.Connection,
        events: list[Event],
        rulebook: Rulebook,
        verdicts: dict[bytes, tuple[Verdict, ...]],
    ) -> list[Event]:
        """The events without whoever was erased; those that are told without somebody are judged into ``verdicts``."""
        await self.now(connection)
        if not self.erased:
            return events
        left = spared(events, self.erased)
        verdicts.update({one.event_id: evaluate.judge(one, rulebook) for one in left if one.event_id not in verdicts})
        return left

    def stored(self, page: Page) -> SourceState:
        """The state of a page's source as it is kept: no row of somebody erased is what a log is known by."""
        site = self._sites.get(page.source, page.source)
        kept = tuple(one for one in page.state.anchors if not self.erased.bars((site, str(one.user)), one.occurred_at))
        return page.state if len(kept) == len(page.state.anchors) else replace(page.state, anchors=kept)

    def require(self, event: Event) -> None:
        """See that nobody who takes part was erased.

        Raises:
            InvalidInputError: somebody was, or has not agreed where learners are asked first.
        """
        if spared([event], self.erased) != [event]:
            raise InvalidInputError(
                "this learner was erased, or takes no part",
                hint="first: rewards-agent learner readmit, or learner opt-in",
            )

        if self._consents is not None and (without := not_agreed(event.seen, self._consents)):
            raise InvalidInputError(
                f"{min(without)} has not agreed to take part", hint="first: rewards-agent learner opt-in"
            )

    def takes_part(self, account: Account, at: int) -> bool:
        """Whether an account takes part at that time (seconds UTC): not erased, not out, agreed where that is asked."""
        if self.erased.bars(account, at):
            return False
        return self._consents is None or self._consents.stands(account, at)

    async def agreed(self, connection: aiosqlite.Connection, events: list[Event]) -> list[Event]:
        """The events with a mark on whoever had not agreed; as they are where nobody is asked."""
        return events if self._consents is None else await self._consents.marked(connection, events)

    def agreed_then(self, events: list[Event]) -> list[Event]:
        """As `agreed`, for acts of before that are judged anew."""
        return events if self._consents is None else [self._consents.marked_again(event) for event in events]

    async def ours(
        self,
        connection: aiosqlite.Connection,
        events: list[Event],
        rulebook: Rulebook,
        verdicts: dict[bytes, tuple[Verdict, ...]],
        now: int,
    ) -> list[Event]:
        """The events of those whose accounts these are now, judged anew into ``verdicts`` where any is another's."""
        await self.now(connection)
        if self._linking is not None:
            self.aliases = await self._linking.arrived(connection, events, self.aliases, now)
        if self._heard is not None:
            await self._heard.keep(connection, events, self.erased)
        gone = [(account, event.seen.occurred_at) for event in events if (account := _deleted(event)) is not None]
        if gone and await erased.delete(connection, gone):
            self._people.erased = self.erased.and_deleted(gone)
            events = self._until_deleted(events, rulebook, verdicts)
        if not self.aliases:
            return await self._judged_as_agreed(connection, events, rulebook, verdicts)
        ours = again.each_once(await aliases.recognised(connection, events, self.aliases, trust.event_id))
        ours = await self.agreed(connection, [event for event in ours if not left_by_its_person(event, self.erased)])
        verdicts.update({event.event_id: evaluate.judge(event, rulebook) for event in ours})
        return ours

    def _until_deleted(
        self, events: list[Event], rulebook: Rulebook, verdicts: dict[bytes, tuple[Verdict, ...]]
    ) -> list[Event]:
        """The events of a page without those of an account that come after its deletion, wherever the page is cut."""
        met: dict[Account, Sequence[Span]] = {}
        # Grows as the deletions are met: what stands before one in the log was done before it.
        so_far = replace(self.erased, deleted=met)
        left: list[Event] = []
        for event in events:
            left += spared([event], so_far) if met else [event]
            account = _deleted(event)
            if account is not None:
                met[account] = self.erased.deleted.get(account, ())
        verdicts.update({one.event_id: evaluate.judge(one, rulebook) for one in left if one.event_id not in verdicts})
        return left

    async def _judged_as_agreed(
        self,
        connection: aiosqlite.Connection,
        events: list[Event],
        rulebook: Rulebook,
        verdicts: dict[bytes, tuple[Verdict, ...]],
    ) -> list[Event]:
        found = await self.agreed(connection, events)
        changed = (one for one, before in zip(found, events, strict=True) if one is not before)
        verdicts.update({one.event_id: evaluate.judge(one, rulebook) for one in changed})
        return found

    def still_news(self, events: list[Event], known: Collection[bytes]) -> list[Event]:
        """The events without those that may have been decided and forgotten; ``known`` are ids of recorded ones."""
        if not self._forgotten:
            return events
        return [
            event
            for event in events
            if event.event_id in known or not self._forgotten.covers(event.seen.site, event.seen.occurred_at)
        ]


def _deleted(event: Event) -> Account | None:
    """The account that its system says is deleted, where the event can be believed."""
    subject = event.seen.people.get("subject")
    doubtful = event.trust < Trust.trusted_source or "unconfirmed" in event.seen.marks
    if event.seen.kind != DELETED or subject is None or doubtful:
        return None
    return event.seen.site, subject
