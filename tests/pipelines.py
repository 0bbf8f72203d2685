"""A real pipeline over a real ledger for tests: events in, pages wherever one likes, balances out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent.arriving.agreed import Consents
from agent.arriving.heard import Heard
from agent.arriving.linked import Linking
from agent.arriving.tally import Tally
from agent.engine.rules import Rulebook
from agent.ledger.corrections import Correction
from agent.ledger.record import Recorder
from agent.ledger.writer import Writer
from agent.model import Decision, Observation, Page, SourceState, Trust
from agent.pipeline import Pipeline
from agent.review.approving import Approving
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.ledgers import rows
from tests.rule_stories import rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A pipeline with its ledger."""

    pipeline: Pipeline
    writer: Writer
    recorder: Recorder
    data_dir: Path

    async def take(self, *seen: Observation, source: str = "moodle") -> Tally:
        """One page."""
        state = replace(self.pipeline.stands(source), position=max((one.position for one in seen), default=0))
        return await self.pipeline.take(
            Page(
                source=source,
                observations=seen,
                state=state if seen else SourceState(),
                rules_version=self.pipeline.rulebook.version,
                caught_up=True,
            )
        )

    async def approve(self, decision_no: int, correction: Correction, wanted: dict[str, int] | None = None) -> Decision:
        """What a held decision comes to that somebody approves."""
        approving = Approving(self.writer, self.recorder, self.pipeline, ManualClock(NOW))
        return await approving.approve(decision_no, correction, wanted)

    def balances(self, currency: str = "points") -> dict[str, int]:
        """Learner → amount, zeros left out."""
        sql = "SELECT p.lms_user, b.amount FROM balance b JOIN person p USING (person_no) WHERE b.currency = ?"
        return {user: amount for user, amount in rows(self.data_dir, sql, currency) if amount}

    def entries(self) -> list[str]:
        """`award 10`, `reversal -10 of 1-1 undone: quiz.attempt_deleted`, in order."""
        sql = (
            "SELECT CAST(body AS TEXT) ->> 'kind', CAST(body AS TEXT) ->> 'amount', CAST(body AS TEXT) ->> 'reverses',"
            " CAST(body AS TEXT) ->> 'reason' FROM entry ORDER BY seq"
        )
        return [
            f"{kind} {amount}" + (f" of {reverses} {reason}" if reverses else "")
            for kind, amount, reverses, reason in rows(self.data_dir, sql)
        ]

    def sources(self) -> list[str]:
        """The source of every entry, in order."""
        return [
            found for (found,) in rows(self.data_dir, "SELECT CAST(body AS TEXT) ->> 'source' FROM entry ORDER BY seq")
        ]

    def reasons(self) -> list[str]:
        """The reason of every decision that has one, in order."""
        sql = "SELECT reason FROM decision WHERE reason <> '' ORDER BY decision_no"
        return [reason for (reason,) in rows(self.data_dir, sql)]


@asynccontextmanager
async def running(
    data_dir: Path,
    rules: Rulebook | str,
    *,
    shadow: bool = False,
    linking: Linking | None = None,
    consents: Consents | None = None,
    heard: Heard | None = None,
) -> AsyncIterator[Running]:
    """A pipeline under these rules over the ledger in ``data_dir``, made where there is none."""
    writer = await Writer.open(data_dir)
    recorder = Recorder()
    writer.on_rollback(recorder.forget)
    pipeline = Pipeline(
        writer,
        recorder,
        data_dir=data_dir,
        ceilings={
            "moodle": Trust.server_verified,
            "trigger": Trust.trusted_source,
            "moodle/state": Trust.server_verified,
            "ws/state": Trust.trusted_source,
            "campus2": Trust.server_verified,
            "shop": Trust.trusted_source,
        },
        compile_text=rulebook,
        clock=ManualClock(NOW),
        shadow=shadow,
        linking=linking,
        consents=consents,
        heard=heard,
    )
    try:
        text = rules if isinstance(rules, str) else ""
        await pipeline.adopt(rulebook(rules) if isinstance(rules, str) else rules, text)
        yield Running(pipeline=pipeline, writer=writer, recorder=recorder, data_dir=data_dir)
    finally:
        await writer.close()


def pages(seen: Iterable[Observation], cuts: Iterable[int]) -> list[list[Observation]]:
    """The same observations in pages that end before the cuts."""
    found: list[list[Observation]] = [[]]
    ends = set(cuts)
    for number, one in enumerate(seen):
        if number in ends:
            found.append([])
        found[-1].append(one)
    return found
