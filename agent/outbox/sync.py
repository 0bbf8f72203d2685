"""The loop that brings the ledger to the catalogue: seal, send, verify, settle; one batch under way at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiosqlite
import structlog

from agent import retry
from agent.clock import Clock
from agent.errors import ConfigError, IntegrityError, TransientError
from agent.ledger import delivery, file
from agent.ledger.delivery import Identity, Reader, Sealed
from agent.ledger.money import told
from agent.ledger.recovery import anew, marks
from agent.outbox import judge, seal, succession
from agent.outbox.client import ANSWER_S_MAX, Client
from agent.outbox.judge import Accepted, Elsewhere, Failed
from agent.outbox.recovery.box import Lock
from agent.outbox.recovery.leaving import Leaving
from agent.outbox.writes import Runs
from agent.retry import Trouble
from wire.keys import fingerprint
from wire.receipt import Stand

POLL_S = 1.0
"""How often the ledger is looked at for new entries, in seconds."""
STAND_CHECK_S = 900.0
"""How often an idle agent asks where the catalogue stands: a restored one has nothing else to tell it by."""
SKEW_TOLD_S = 30
"""From how far apart two clocks are told, in seconds; they are tolerated to `wire.signing.CLOCK_SKEW_MAX_S`."""
WAIT_S_MAX = 60.0
"""Longest sleep in one piece, in seconds."""

log = structlog.get_logger()


class Step(StrEnum):
    """What one attempt came to."""

    delivered = "delivered"  # a batch was acknowledged
    moved = "moved"  # the catalogue stands elsewhere on our history; the reader went there
    idle = "idle"  # nothing to send
    failed = "failed"  # nothing was acknowledged; later
    fault = "fault"  # the catalogue's history is not ours
    not_enrolled = "not_enrolled"


class Outbox:
    """The reader named `catalogue`. Ended by `close`.

    ``sites`` are those that this agent reads, ``lock`` is the public half of the campus's recovery key, ``jitter``
    gives numbers in [0, 1).
    """

    def __init__(
        self,
        *,
        writer: Runs,
        data_dir: Path,
        client: Client,
        environment: str,
        clock: Clock,
        sites: Sequence[str] = (),
        lock: Lock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._writer = writer
        self._data_dir = data_dir
        self._ledger = file.KeptOpen(data_dir)
        self._client = client
        self._environment = environment
        self._sites = sites
        self._clock = clock
        self._jitter = jitter
        self._leaving = Leaving(client=client, writer=writer, clock=clock, lock=lock)
        self._one_at_a_time = asyncio.Lock()
        self._moved = False
        self._checked: float | None = None
        self._trouble = Trouble()
        self._heard_last: Mapping[str, str] = {delivery.NOTICE: "", delivery.CLOCK: "0"}
        self.counts = {"batches": 0, "entries": 0, "rejected": 0, "refused_answers": 0}

    async def run(self) -> None:
        """Deliver for ever; waits where nothing is to send, backs off where nothing goes, also after a restart."""
        while True:
            wait = await self._wait_s()
            if wait > 0:
                await asyncio.sleep(min(wait, WAIT_S_MAX))
                continue
            step = await self.step()
            if step is Step.idle and self._stand_is_due():
                step = await self.check_stand()
            if step in {Step.idle, Step.not_enrolled}:
                await asyncio.sleep(POLL_S)

    async def drain(self, *, limit_s: float) -> bool:
        """Deliver all there is, now; False where the catalogue cannot be reached or refuses (tried once, told).

        ``limit_s`` bounds each single attempt.

        Raises:
            IntegrityError: the catalogue's history is not ours.
            ConfigError: the key cannot be used.
        """
        self._client.key()
        while (step := await self.step(limit_s=limit_s)) in {Step.delivered, Step.moved, Step.idle}:
            # With nothing to send, one question finds out whether the catalogue was set back.
            if step is Step.idle and await self.check_stand(limit_s=limit_s) is not Step.moved:
                break
        reader = await delivery.reader(await self._ledger.connection())
        if reader.fault:
            raise IntegrityError(reader.fault, hint=FAULT_HINT)
        return not reader.last_error and step is not Step.not_enrolled

    async def step(self, *, limit_s: float = ANSWER_S_MAX) -> Step:
        """One attempt, whatever the backoff says: send the batch under way, or seal the next."""
        async with self._one_at_a_time:
            conn = await self._ledger.connection()
            who = await delivery.identity(conn)
            if who is None:
                self._tell("not enrolled: entries are kept; run: rewards-agent enrol")
                return Step.not_enrolled
            reader = await delivery.reader(conn)
            try:
                sealed = await self._sealed(conn, who, reader)
            except IntegrityError as exc:
                return await self._fault(reader, exc.message)
            if reader.fault:
                return await self._ask(who, reader, limit_s)
            # After sealing: whoever has an entry in the batch is a person by now.
            if (failed := await self._leaving.leave(conn, who, behind=sealed is not None)) is not None:
                return await self._not_taken(who, reader, failed)
            if sealed is None:
                return Step.idle
            return await self._send(who, reader, sealed, limit_s)

    async def check_stand(self, *, limit_s: float = ANSWER_S_MAX) -> Step:
        """Ask where the catalogue stands and follow it there if it is our history; idle where we agree."""
        async with self._one_at_a_time:
            conn = await self._ledger.connection()
            who = await delivery.identity(conn)
            if who is None:
                return Step.not_enrolled
            return await self._ask(who, await delivery.reader(conn), limit_s)

    def status(self) -> Mapping[str, Any]:
        """Where delivery stands, for people."""
        connection = file.open_for_reading(self._data_dir)
        try:
            return delivery.standing(connection) | {"since_start": dict(self.counts)}
        finally:
            connection.close()

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._client.close()
        await self._ledger.close()

    async def _sealed(self, conn: aiosqlite.Connection, who: Identity, reader: Reader) -> Sealed | None:
        """The batch under way, else the next one, sealed and kept; None where there is nothing to send."""
        under_way = await delivery.sealed(conn)
        if under_way is not None and under_way.epoch == who.epoch:
            return under_way
        if under_way is not None:
            await self._writer.run(delivery.drop_sealed())
        stored = await delivery.entries_after(conn, reader.acked_seq, seal.SEAL_ENTRIES_MAX)
        if not stored:
            return None
        previous = await delivery.head_at(conn, reader.acked_seq)
        if previous is None:
            raise IntegrityError(f"the ledger has no entry {reader.acked_seq}, which was delivered")
        chosen = seal.fitting(stored)
        first_seq, last_seq = chosen[0].seq, chosen[-1].seq
        read, keep = await marks.within(conn, first_seq, last_seq)
        sealed = seal.seal(
            who,
            previous,
            chosen,
            marks=read,
            terms=await told.within(conn, first_seq, last_seq),
            sites=self._sites,
            environment=self._environment,
            now=self._clock.now(),
        )
        await self._writer.run(delivery.both(delivery.keep_sealed(sealed), keep))
        return sealed

    async def _send(self, who: Identity, reader: Reader, sealed: Sealed, limit_s: float) -> Step:
        try:
            answer = await self._client.post_batch(sealed.body, campus=who.campus, agent=who.agent, limit_s=limit_s)
        except (TransientError, ConfigError) as exc:
            return await self._failed(reader, Failed.of(exc))
        meant = judge.batch_answer(answer, who, sealed, now=self._clock.now())
        if isinstance(meant, Failed):
            return await self._not_taken(who, reader, meant)
        if isinstance(meant, Elsewhere):
            return await self._elsewhere(who, reader, meant)
        return await self._settle(sealed, meant)

    async def _settle(self, sealed: Sealed, accepted: Accepted) -> Step:
        await self._writer.run(delivery.settle(accepted.kept, now=self._clock.now()))
        receipt = accepted.kept.receipt
        self.counts["batches"] += 1
        self.counts["entries"] += sealed.last_seq - sealed.first_seq + 1
        self.counts["rejected"] += len(receipt.rejected)
        for item in receipt.rejected:
            log.warning("entry_rejected", seq=item.seq, reason=item.reason)
        self._recovered()
        return Step.delivered

    async def _ask(self, who: Identity, reader: Reader, limit_s: float) -> Step:
        try:
            answer = await self._client.get_stand(campus=who.campus, agent=who.agent, limit_s=limit_s)
        except (TransientError, ConfigError) as exc:
            return await self._failed(reader, Failed.of(exc))
        meant = judge.stand_answer(answer, who, now=self._clock.now())
        if isinstance(meant, Failed):
            return await self._not_taken(who, reader, meant)
        self._checked = self._clock.running()
        await self._heard(meant.stand)
        agreed = meant.stand.seq == reader.acked_seq and not await self._what_is_wrong(who, meant)
        if not agreed or reader.fault:
            return await self._elsewhere(who, reader, meant)
        if reader.last_error:
            await self._writer.run(delivery.forget_failure())
            self._recovered()
        return Step.idle

    async def _not_taken(self, who: Identity, reader: Reader, failed: Failed) -> Step:
        """An answer that is not the catalogue's may be signed by its next key: that one is believed from now on."""
        now = await succession.followed(self._client, who) if failed.forged else who
        if now.catalogue_public == who.catalogue_public:
            return await self._failed(reader, failed)
        await self._writer.run(delivery.keep_keys(now.catalogue_keys))
        log.warning("catalogue_key_changed", fingerprint=fingerprint(now.catalogue_public))
        return Step.moved

    async def _heard(self, stand: Stand) -> None:
        """Keep what the catalogue wants to be known, and how far the two clocks are apart."""
        ahead = self._clock.now() - stand.at if stand.at else 0
        told = {delivery.NOTICE: stand.notice, delivery.CLOCK: str(ahead if abs(ahead) >= SKEW_TOLD_S else 0)}
        if told != self._heard_last:
            await self._writer.run(delivery.keep_settings(told))
            self._heard_last = told
            if stand.notice:
                log.warning("catalogue_notice", notice=stand.notice)
            if abs(ahead) >= SKEW_TOLD_S:
                log.warning("clocks_differ", ahead_s=ahead, do="compare this machine's clock with a time server")

    async def _elsewhere(self, who: Identity, reader: Reader, found: Elsewhere) -> Step:
        """The catalogue stands at another place than we thought: go there if it is on our history."""
        wrong = await self._what_is_wrong(who, found)
        if wrong:
            return await self._fault(reader, wrong)
        stand = found.stand
        again = self._moved
        there = delivery.stand_at(stand.seq, now=self._clock.now())
        if stand.seq < reader.acked_seq:
            # It was put back from an older copy, which may lack persons too: they are left with it again.
            there = delivery.both(there, anew.all_again())
        await self._writer.run(there)
        log.warning("catalogue_stands_elsewhere", seq=stand.seq, we_thought=reader.acked_seq, why=stand.why)
        if again:
            # Twice without a delivery in between: two catalogues that disagree must not keep us spinning.
            told = (
                f"the catalogue stands at {stand.seq} and then elsewhere: is there more than one behind this address?"
            )
            return await self._failed(await delivery.reader(await self._ledger.connection()), Failed(told=told))
        self._recovered()
        self._moved = True
        return Step.moved

    async def _what_is_wrong(self, who: Identity, found: Elsewhere) -> str:
        conn = await self._ledger.connection()
        head = await delivery.head_at(conn, found.stand.seq)
        return judge.compare(found.stand, who, newest_seq=await delivery.newest_seq(conn), our_head=head)

    async def _failed(self, reader: Reader, failed: Failed) -> Step:
        self.counts["refused_answers"] += failed.forged
        due = self._due(reader, failed.retry_after)
        await self._writer.run(delivery.note_failure(failed.told, next_try_at=due))
        self._tell(failed.told)
        return Step.fault if reader.fault else Step.failed

    async def _fault(self, reader: Reader, wrong: str) -> Step:
        await self._writer.run(delivery.note_fault(wrong, next_try_at=self._due(reader, None)))
        if self._trouble.is_news(wrong):
            log.error("delivery_stopped", fault=wrong, do=FAULT_HINT)
        return Step.fault

    def _due(self, reader: Reader, retry_after: int | None) -> int:
        return retry.next_try_at(self._clock.now(), reader.attempts + 1, self._jitter(), retry_after)

    def _tell(self, trouble: str) -> None:
        if self._trouble.is_news(trouble):
            log.warning("delivery_trouble", trouble=trouble)

    def _recovered(self) -> None:
        if self._trouble.is_over():
            log.info("delivery_recovered")
        self._moved = False

    def _stand_is_due(self) -> bool:
        return self._checked is None or self._clock.running() - self._checked >= STAND_CHECK_S

    async def _wait_s(self) -> int:
        """Seconds until the next attempt is due."""
        reader = await delivery.reader(await self._ledger.connection())
        return retry.left_s(reader.next_try_at, self._clock.now())


FAULT_HINT = (
    "nothing is delivered until both agree again: put the newest ledger back, or bring back what was delivered:"
    " rewards-agent restore --from-catalogue (docs/ops/recovery.md)"
)
