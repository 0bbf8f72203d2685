"""A key in place of a lost one begins the agent's next epoch: the one before is closed with all that is known of it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import aiosqlite

from agent.clock import Clock
from agent.errors import ConfigError, IntegrityError, TransientError
from agent.ledger import delivery
from agent.ledger.centre import allowances
from agent.ledger.delivery import Identity, KeptReceipt
from agent.outbox import judge, succession
from agent.outbox.client import Client
from agent.outbox.recovery.asking import Asking
from agent.outbox.redeeming.allowances import Allowances
from agent.outbox.redeeming.talk import Talk
from agent.outbox.writes import Runs
from wire.receipt import Stand

ANOTHER_LIFE = "another life of this agent"
"""Who had what this ledger cannot know about."""

_NOT_OURS = (
    "a token lets the key in, and the ledger must be the one that was delivered: put the newest one in place and enrol"
    " again with this token, or: rewards-agent restore --from-catalogue --token - (docs/ops/recovery.md)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The epoch that an agent is in, and what became of the one before.

    ``confirmed`` entries had arrived without our knowing; ``settled`` vouchers made beforehand were told of;
    ``staying`` ones are kept and can no longer be given back: they count as spent, and are still given out.
    """

    epoch: int
    confirmed: int = 0
    settled: int = 0
    staying: int = 0


class Beginning:
    """One agent's step into its next epoch. Broken off anywhere, it is finished by doing it again."""

    def __init__(self, *, client: Client, writer: Runs, clock: Clock, conn: aiosqlite.Connection) -> None:
        self._client = client
        self._writer = writer
        self._clock = clock
        self._conn = conn

    async def begin(self, who: Identity, first: int) -> Begun:
        """Close the epoch that ``who`` is in, and take over in the one after it; ``first`` is the key's first.

        The ledger is not told of its new epoch yet: whoever asked for this does that, with the key it belongs to.

        Raises:
            TransientError: the catalogue does not answer; ask again.
            ConfigError: it refuses.
            IntegrityError: its history of this agent is not this ledger's.
        """
        who = await succession.followed(self._client, who)
        asking = Asking(self._client, who, self._clock)
        stand = await asking.stand()
        epoch = max(first, who.epoch + 1)
        head = await delivery.head_at(self._conn, stand.seq)
        newest = await delivery.newest_seq(self._conn)
        wrong = judge.compare(stand, replace(who, epoch=epoch), newest_seq=newest, our_head=head)
        if wrong:
            raise IntegrityError(wrong, hint=_NOT_OURS)
        confirmed = await self._confirmed(asking, who, stand)
        settled = await self._settled(who) if who.epoch == stand.epoch else 0
        if stand.epoch < first:
            await asking.take_over(stand)
        if who.epoch < first - 1:
            why = "what was given out in the epochs since is not known here"
            await self._writer.run(allowances.all_in_doubt(ANOTHER_LIFE, why))
        staying = await allowances.kept_before(self._conn, epoch)
        return Begun(epoch=epoch, confirmed=confirmed, settled=settled, staying=staying)

    async def _confirmed(self, asking: Asking, who: Identity, stand: Stand) -> int:
        """Ask back the receipts of what had arrived and was never answered: with what was set aside, and why."""
        before = await delivery.reader(self._conn)
        head = await delivery.head_at(self._conn, before.acked_seq)
        if head is None or stand.seq <= before.acked_seq:
            return 0
        # From the archive, or signed by a key that the catalogue lost, none comes back: the outbox goes where the
        # catalogue stands, as it always does.
        with contextlib.suppress(ConfigError, IntegrityError):
            async for found in asking.history(stand, epoch=who.epoch, seq=before.acked_seq, head=head):
                await self._writer.run(_settled(found.kept, now=self._clock.now()))
        return (await delivery.reader(self._conn)).acked_seq - before.acked_seq

    async def _settled(self, who: Identity) -> int:
        """Say what became of vouchers while their own epoch still lasts: later nothing of it comes back."""
        talk = Talk(self._client, self._writer, self._clock)
        told = Allowances(talk, self._writer, self._clock, self._reading)
        count = await told.tell(who)
        while await allowances.in_state(self._conn, "returning", 1):
            more = await told.tell(who)
            if not more:
                raise TransientError(
                    "what comes back of the vouchers kept beforehand could not be told", hint="enrol again, same token"
                )
            count += more
        return count

    async def _reading(self) -> aiosqlite.Connection:
        return self._conn


def _settled(kept: KeptReceipt, *, now: int) -> Callable[[aiosqlite.Connection], Awaitable[None]]:
    """A unit that takes a receipt, unless the outbox did so meanwhile."""

    async def unit(conn: aiosqlite.Connection) -> None:
        if (await delivery.reader(conn)).acked_seq == kept.receipt.first_seq - 1:
            await delivery.settle(kept, now=now)(conn)

    return unit
