"""What people may ask of an agent, one method per command: the same whether it runs or a command does it alone.

Arguments and results are what JSON can carry, because a running agent is asked through its socket.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import aiosqlite
import structlog

from agent.backfill.backfill import Backfill
from agent.backfill.requeueing import Requeue
from agent.clock import Clock
from agent.collectors.inbox.importing import Imports
from agent.engine.challenge.byhand import enrolment
from agent.engine.money import guardrails
from agent.errors import ConfigError, InvalidInputError
from agent.ledger import corrections, delivery, projections
from agent.ledger.acts.journal import Journal
from agent.ledger.corrections import Correction
from agent.ledger.money import accounts
from agent.ledger.record import Recorder
from agent.ledger.writer import Writer
from agent.model import Outcome, SourceState
from agent.outbox.callbacks.reader import Callback
from agent.outbox.redeeming.desk import Redeeming
from agent.pipeline import Pipeline
from agent.privacy.erasing import Erasing
from agent.recognition.byhand import ByHand
from agent.recognition.following import Following
from agent.recognition.merging import Merging
from agent.recognition.thanking import Asks, Thanking
from agent.review.desk import Desk
from agent.schedule.runner import Scheduler
from agent.service.control import Operation

log = structlog.get_logger()


Rewind = Callable[[str], Awaitable[tuple[SourceState, dict[str, Any]]]]
"""A source's name → the state that reads its log again from where payment begins, and what the log looks like now."""


class Enrolling(Protocol):
    """Becoming known to the catalogue, and changing the key."""

    async def enrol(self, token: str) -> Mapping[str, Any]:
        """Bind this agent's key to its campus; who it is to the catalogue from now on."""
        ...

    async def rotate(self) -> Mapping[str, Any]:
        """Replace the key; what the new one is called."""
        ...


class Sync(Protocol):
    """The way to the catalogue."""

    async def drain(self, *, limit_s: float) -> bool:
        """Deliver all there is; False where the catalogue did not answer."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Where delivery stands."""
        ...

    @property
    def counter(self) -> Redeeming:
        """Where learners redeem."""
        ...

    @property
    def asking(self) -> Asks:
        """What recognition asks of the catalogue."""
        ...


class Operations:
    """The commands that write. ``table`` is what the control socket offers."""

    def __init__(  # noqa: PLR0913 - one for each thing that commands act on
        self,
        *,
        writer: Writer,
        recorder: Recorder,
        pipeline: Pipeline,
        rewind: Rewind,
        sync: Sync | None,
        enrolling: Enrolling | None,
        reload: Callable[[], Awaitable[str]],
        backfill: Backfill,
        scheduler: Scheduler,
        clock: Clock,
        erasing: Erasing,
        callbacks: Sequence[Callback] = (),
        imports: Imports | None = None,
        requeue: Requeue | None = None,
    ) -> None:
        self._writer = writer
        self._recorder = recorder
        self._pipeline = pipeline
        self._rewind = rewind
        self._sync = sync
        self._enrolling = enrolling
        self._reload = reload
        self._backfill = backfill
        self._scheduler = scheduler
        self._clock = clock
        self._erasing = erasing
        self._callbacks = callbacks
        self._imports = imports
        self._requeue = requeue
        self._journal = Journal(writer, clock)
        self._following = Following(pipeline, recorder)
        self._review = Desk(writer, recorder, pipeline, clock)
        self._merging = Merging(writer, recorder, pipeline, self._following, clock)
        thanking = None if sync is None else Thanking(writer, recorder, pipeline, sync.asking, clock)
        self._thanking = thanking
        self._badges = ByHand(writer, recorder, pipeline, self._following, clock)

    def table(self) -> dict[str, Operation]:
        """Command name → operation; what is an act is written down."""
        return {name: self._journal.kept(name, operation) for name, operation in self._every().items()}

    def _every(self) -> dict[str, Operation]:
        return {
            "review.approve": self._review.approve,
            "review.reject": self._review.reject,
            "review.apply": self._review.apply,
            "ledger.adjust": self.adjust,
            "ledger.reverse": self.reverse,
            "ledger.reverse-rule": self.reverse_rule,
            "ledger.rebuild": self.rebuild,
            "source.accept-rewind": self.accept_rewind,
            "sync.now": self.sync_now,
            "rewards.offered": self.counter("offered"),
            "redeem": self.counter("redeem"),
            "redemption.show": self.counter("show"),
            "redemption.cancel": self.counter("cancel"),
            "redemption.use": self.counter("use"),
            "allowance.draw": self.counter("draw"),
            "allowance.return": self.counter("give_back"),
            "redemption.settle": self.counter("settle"),
            "catalogue.enrol": self.enrol,
            "key.rotate": self.rotate_key,
            "rules.reload": self.reload,
            "rules.backfill": self._backfill.page,
            "events.replay": self._backfill.replay,
            "scheduled.run": self.run_scheduled,
            "learner.merge": self._merging.merge,
            "learner.unlink": self._merging.unlink,
            "learner.erase.begin": self._erasing.begin,
            "learner.erase.finish": self._erasing.finish,
            "learner.readmit": self._erasing.readmit,
            "learner.opt-out": self.opt_out,
            "learner.opt-in": self._erasing.opt_in,
            "kudos.give": self.thanks("give"),
            "kudos.does": self.thanks("does"),
            "badge.assign": self._badges.assign,
            "badge.revoke": self._badges.revoke,
            "badge.settle": self._badges.settle,
            "challenge.enrol": self.enrol_in_challenge,
            "callback.skip": self.skip_message,
            **({"import.events": self._imports.take} if self._imports is not None else {}),
            **({"events.requeue": self._requeue.page} if self._requeue is not None else {}),
        }

    async def enrol_in_challenge(
        self, *, challenge: str, learners: list[str], by: str, reason: str = "", at: int = 0, withdraw: bool = False
    ) -> list[dict[str, Any]]:
        """Enrol learners (``<site>:<LMS user id>``) into a challenge, or withdraw them, as of ``at`` (0: now)."""
        results = []
        for learner in learners:
            seen = enrolment(
                self._pipeline.rulebook,
                challenge,
                learner,
                withdraw=withdraw,
                at=at or self._clock.now(),
                by=by,
                reason=reason,
            )
            decided = await self._pipeline.tell(seen)
            paid = [one for one in decided if one.outcome is Outcome.awarded]
            postings = {posting.currency: posting.amount for one in paid for posting in one.postings}
            told = "; ".join(one.reason for one in decided if one.reason) or (
                "completed" if paid else "recorded already"
            )
            results.append({"learner": learner, "told": told, "postings": postings})
        return results

    async def adjust(
        self, *, learner: str, currency: str, amount: int, reason: str, by: str, lower_level: bool = False
    ) -> dict[str, Any]:
        """Give or take by hand, in the currency's smallest unit; ``learner`` is ``<site>:<LMS user id>``.

        With ``lower_level`` levels fall to what is left.
        """
        known = self._pipeline.rulebook.decimals
        if currency not in known:
            raise InvalidInputError(
                f"there is no currency {currency!r}", hint=f"the rules know: {', '.join(sorted(known))}"
            )
        rulebook = self._pipeline.rulebook
        guardrails.within(rulebook, currency, amount)
        learner = (await self._writer.run(self._pipeline.whose.now)).learner(learner)

        async def unit(connection: aiosqlite.Connection) -> int:
            balance = await accounts.balance_in(connection, learner, currency)
            guardrails.covered(rulebook, currency, amount, balance=balance)
            return await corrections.adjust(
                connection,
                self._recorder,
                learner=learner,
                currency=currency,
                amount=amount,
                correction=Correction(reason=reason, by=by),
                now=self._clock.now(),
                lower_level=lower_level,
            )

        seq = await self._writer.run(self._following.after(unit, self._clock.now()))
        return {"seq": seq, "learner": learner, "currency": currency, "amount": amount}

    async def reverse(self, *, seq: int, reason: str, by: str) -> dict[str, Any]:
        """Answer an entry (and the others of the same award) by compensating entries."""

        async def unit(connection: aiosqlite.Connection) -> list[int]:
            return await corrections.reverse(
                connection,
                self._recorder,
                seq=seq,
                correction=Correction(reason=reason, by=by),
                now=self._clock.now(),
            )

        return {"reverses": seq, "entries": await self._writer.run(self._following.after(unit, self._clock.now()))}

    async def reverse_rule(
        self, *, rule: str, since: int, until: int, reason: str = "", by: str = "", preview: bool = False
    ) -> dict[str, Any]:
        """Answer everything that a rule has paid for acts between two times; with ``preview`` only tell what it is."""

        async def looked(connection: aiosqlite.Connection) -> corrections.Standing:
            return await corrections.standing(connection, rule=rule, since=since, until=until)

        async def unit(connection: aiosqlite.Connection) -> int:
            return await corrections.reverse_rule(
                connection,
                self._recorder,
                rule=rule,
                since=since,
                until=until,
                correction=Correction(reason=reason, by=by),
                now=self._clock.now(),
            )

        found = await self._writer.run(looked)
        done = 0
        followed = self._following.after(unit, self._clock.now())
        while not preview and (count := await self._writer.run(followed)):
            done += count
        return {"rule": rule, **asdict(found), "reversed": done}

    async def rebuild(self) -> dict[str, Any]:
        """Work the balances out again from the entries."""

        async def unit(connection: aiosqlite.Connection) -> tuple[int, int]:
            return await projections.rebuild(connection)

        count, changed = await self._writer.run(unit)
        return {"balances": count, "changed": changed}

    async def accept_rewind(self, *, source: str, by: str) -> dict[str, Any]:
        """Read a source's log again from where payment begins: an administrator says that it is the right one."""
        state, seen = await self._rewind(source)
        if not self._pipeline.stands(source).fault:
            raise InvalidInputError(
                f"source {source!r} has no fault: there is nothing to accept", hint="see: rewards-agent status"
            )
        kept = {"by": by, "position": state.position, **seen}
        await self._writer.run(delivery.keep_settings({f"rewound:{source}:{self._clock.now()}": json.dumps(kept)}))
        await self._pipeline.replace_state(source, state)
        log.warning("source_rewound", source=source, by=by, position=state.position)
        return {"source": source, "position": state.position, **seen}

    async def skip_message(self, *, callback: str, by: str) -> dict[str, Any]:
        """Leave out the one message that a receiver does not take."""
        found = next((one for one in self._callbacks if one.name == callback), None)
        if found is None:
            raise InvalidInputError(f"there is no callback {callback!r}", hint="see: rewards-agent callback list")
        skipped = await found.skip()
        if skipped:
            kept = json.dumps({"by": by, "message": skipped})
            await self._writer.run(delivery.keep_settings({f"skipped:{callback}:{self._clock.now()}": kept}))
        return {"callback": callback, "skipped": skipped or "nothing: nothing waits"}

    async def sync_now(self, *, limit_s: float = 60.0) -> dict[str, Any]:
        """Deliver everything now."""
        if self._sync is None:
            raise _no_catalogue()
        answered = await self._sync.drain(limit_s=limit_s)
        return {"answered": answered, **self._sync.status()}

    def counter(self, name: str) -> Operation:
        """What the counter does under this name, where there is a catalogue."""

        async def asked(**arguments: Any) -> Any:
            if self._sync is None:
                raise _no_catalogue()
            return await getattr(self._sync.counter, name)(**arguments)

        return asked

    def thanks(self, name: str) -> Operation:
        """What is done about kudos under this name, where there is a catalogue."""

        async def asked(**arguments: Any) -> Any:
            if self._thanking is None:
                raise _no_catalogue()
            return await getattr(self._thanking, name)(**arguments)

        return asked

    async def opt_out(self, *, accounts: Sequence[Sequence[str]], by: str) -> dict[str, Any]:
        """Let somebody take no part from now on; in kudos, at the catalogue, neither."""
        done = await self._erasing.opt_out(accounts=accounts, by=by)
        if self._thanking is None:
            return done
        return done | {"catalogue": await self._thanking.parted(accounts=accounts)}

    async def enrol(self, *, token: str) -> dict[str, Any]:
        """Become known to the catalogue."""
        if self._enrolling is None:
            raise _no_catalogue()
        return dict(await self._enrolling.enrol(token))

    async def rotate_key(self) -> dict[str, Any]:
        """Replace the signing key."""
        if self._enrolling is None:
            raise _no_catalogue()
        return dict(await self._enrolling.rotate())

    async def run_scheduled(self) -> list[dict[str, Any]]:
        """Decide what is due and waits for nothing, as the service does by itself."""
        return [asdict(done) for done in await self._scheduler.look()]

    async def reload(self) -> dict[str, Any]:
        """Read the rules again; the running ones stay where the new ones are faulty."""
        return {"version": await self._reload()}


def _no_catalogue() -> ConfigError:
    return ConfigError(
        "no catalogue is configured", hint='add it to config.toml: [catalogue] and url = "https://…", then enrol'
    )
