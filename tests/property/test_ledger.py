"""Whatever happens between pages, the ledger holds exactly those that were committed, once, and says so of itself."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import aiosqlite
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ledger import codec, projections, reading
from agent.model import Decision, Event, Evidence, HoldKind, Outcome, Posting, Trust
from tests.builders import a_decision, a_hold, an_award, an_event, an_observation, points
from tests.effort import examples
from tests.ledgers import Ledger, found, opened, page, rows

LEARNERS = ("35", "36", "37")
Fate = Literal["stands", "raises", "caller cancelled", "statement broken off", "agent restarts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One page and what becomes of it.

    Row numbers with the outcome and amount of each; ``calls`` to the database until it fails.
    """

    page: tuple[tuple[int, Outcome, int], ...]
    fate: Fate
    calls: int


class BrokenOffError(Exception):
    """What a unit dies of."""


class Failing:
    """The connection that a unit sees, until its ``calls``-th call, which begins and is not waited for."""

    def __init__(self, connection: aiosqlite.Connection, calls: int) -> None:
        self._connection = connection
        self._left = calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)
        if name not in {"execute", "executemany", "execute_fetchall"}:
            return method

        def call(*arguments: Any) -> Any:
            self._left -= 1
            return method(*arguments) if self._left > 0 else _Left(method(*arguments))

        return call


class _Left:
    """A statement that is begun and then not waited for."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement

    def __await__(self) -> Generator[Any, None, None]:
        return _begin_and_leave(self._statement).__await__()

    async def __aenter__(self) -> None:
        await self

    async def __aexit__(self, *_: object) -> None:
        pass


async def _begin_and_leave(statement: Any) -> None:
    async def wait() -> None:
        await statement

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    raise BrokenOffError


def event_of(number: int) -> Event:
    """The event of a row; whose it is depends on the number."""
    learner = LEARNERS[number % len(LEARNERS)]
    return an_event(number, people={"subject": learner, "actor": learner})


def decision_of(event: Event, outcome: Outcome, amount: int) -> Decision:
    """A decision of that outcome."""
    if outcome is Outcome.refused:
        return a_decision(event)
    if outcome is Outcome.held:
        return a_hold(event)
    award = an_award(event, outcome=outcome, postings=points(amount, reputation=amount // 2))
    if outcome is Outcome.shadow:
        return replace(award, uses=tuple(replace(use, meter=f"shadow/{use.meter}") for use in award.uses))
    return award


decisions = st.tuples(
    st.integers(1, 25),
    st.sampled_from((Outcome.awarded, Outcome.held, Outcome.refused, Outcome.shadow)),
    st.integers(0, 10**6),
)
steps = st.builds(
    Step,
    page=st.lists(decisions, max_size=12, unique_by=lambda row: row[0]).map(tuple),
    fate=st.sampled_from(("stands", "raises", "caller cancelled", "statement broken off", "agent restarts")),
    calls=st.integers(1, 16),
)


class Model:
    """What must be there: the first committed decision about each row."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[Outcome, int]] = {}

    def take(self, step: Step) -> None:
        """A page was committed."""
        for number, outcome, amount in step.page:
            self.kept.setdefault(number, (outcome, amount))

    def balances(self) -> dict[tuple[str, str], int]:
        """(LMS user, currency) → amount."""
        sums: dict[tuple[str, str], int] = {}
        for number, (outcome, amount) in self.kept.items():
            for currency, each in (("points", amount), ("reputation", amount // 2)):
                if outcome is Outcome.awarded and each:
                    key = (LEARNERS[number % len(LEARNERS)], currency)
                    sums[key] = sums.get(key, 0) + each
        return sums


async def act(ledger: Ledger, step: Step) -> bool:
    """Do a step; whether its page was committed."""
    events = [event_of(number) for number, _, _ in step.page]
    wanted = [decision_of(event, row[1], row[2]) for event, row in zip(events, step.page, strict=True)]
    unit = page(ledger.recorder, events, wanted)
    if step.fate in {"stands", "agent restarts"}:
        await ledger.run(unit)
        return True
    if step.fate == "caller cancelled":
        task = asyncio.create_task(ledger.run(unit))
        for _ in range(step.calls):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return await _stands(ledger, events)

    async def dying(connection: aiosqlite.Connection) -> None:
        if step.fate == "raises":
            await unit(connection)
        else:
            await unit(Failing(connection, step.calls))  # type: ignore[arg-type]
        raise BrokenOffError

    with contextlib.suppress(BrokenOffError):
        await ledger.run(dying)
    return False


async def _stands(ledger: Ledger, events: list[Event]) -> bool:
    """Cancelled before it was asked for, a page is not there at all; later, all of it is."""
    return not await ledger.run(lambda connection: ledger.recorder.fresh(connection, events))


async def assert_lived_through(data_dir: Path, story: list[Step]) -> None:
    """Live through a story and compare the ledger with the model at its end."""
    model, left = Model(), list(story)
    while True:
        async with opened(data_dir) as ledger:
            while left:
                step = left.pop(0)
                if await act(ledger, step):
                    model.take(step)
                if step.fate == "agent restarts":
                    break
            if not left:
                await compare(ledger, model)
                return


async def compare(ledger: Ledger, model: Model) -> None:
    """Events, entries, balances, uses and holds are those of the model, and a rebuild changes nothing."""
    data_dir = ledger.data_dir
    assert found(data_dir) == []
    assert {n for (n,) in rows(data_dir, "SELECT position FROM event")} == model.kept.keys()
    for table, number in (("event", "event_no"), ("decision", "decision_no")):
        numbers = [n for (n,) in rows(data_dir, f"SELECT {number} FROM {table} ORDER BY 1")]
        assert numbers == list(range(1, len(model.kept) + 1))
    before = rows(data_dir, "SELECT * FROM balance ORDER BY 1, 2")
    with ledger.reading() as connection:
        there = {
            (learner, currency): amount
            for learner in LEARNERS
            for currency, (amount, _) in reading.balances_of(connection, f"moodle:{learner}").items()
        }
        held = len(reading.holds(connection))
    assert there == model.balances()
    assert held == sum(outcome is Outcome.held for outcome, _ in model.kept.values())
    live = {number for number, (outcome, _) in model.kept.items() if outcome is Outcome.awarded}
    once = rows(data_dir, "SELECT bucket FROM quota_use JOIN name ON no = meter_no WHERE text LIKE 'once:%'")
    assert sorted(bucket for (bucket,) in once) == sorted(f"moodle:{number}" for number in live)
    assert await ledger.run(projections.rebuild) == (len(before), 0)
    assert rows(data_dir, "SELECT * FROM balance ORDER BY 1, 2") == before


@settings(max_examples=examples(60))
@given(st.lists(steps, max_size=10))
def test_whatever_happens_between_pages_the_ledger_holds_those_that_were_committed_once(story: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as data_dir:
        asyncio.run(assert_lived_through(Path(data_dir), story))


whole = st.integers() | st.integers(-(2**70), 2**70)
facts = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=10),
    st.booleans()
    | whole
    | st.text(st.characters(codec="utf-8"))
    | st.builds(Fraction, whole, st.integers(1, 2**70))
    | st.lists(st.text(st.characters(codec="utf-8"))).map(tuple),
    max_size=5,
)
texts = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(
    facts=facts,
    site=st.sampled_from(["moodle", "other"]),
    kind=texts,
    post=texts,
    section=texts,
    evidence=st.sampled_from(Evidence),
    trusted=st.sampled_from(Trust),
    marks=st.frozensets(st.sampled_from(["restored", "preview", "backdated"])),
    person_marks=st.dictionaries(st.sampled_from(["subject", "actor"]), st.sampled_from(["staff", "guest"])),
)
def test_an_event_is_read_back_as_it_was_seen_with_facts_exact(
    facts: dict[str, Any], trusted: Trust, **seen: Any
) -> None:
    observation = an_observation(**seen, facts=facts)
    event = codec.decode_event(
        codec.encode_event(observation),
        source=observation.source,
        position=observation.position,
        occurred_at=observation.occurred_at,
        event_id=b"\1" * 32,
        trust=int(trusted),
    )
    assert event == Event(seen=replace(observation, natural_key=()), event_id=b"\1" * 32, trust=trusted)
    assert {name: type(value) for name, value in event.seen.facts.items()} == {
        name: type(value) for name, value in facts.items()
    }


@given(
    generation=st.integers(0, 5),
    until=st.none() | st.integers(0, 2**40),
    hold=st.none() | st.sampled_from(HoldKind),
    amounts=st.dictionaries(st.sampled_from(["points", "reputation", "badge:x"]), st.integers(-(10**15), 10**15)),
    message=st.text(st.characters(codec="utf-8"), max_size=20),
    scope=st.text(st.characters(codec="utf-8"), max_size=20),
)
def test_a_decision_is_read_back_as_it_was_made(amounts: dict[str, int], **fields: Any) -> None:
    event = an_event()
    postings = tuple(Posting(currency=name, amount=amount) for name, amount in amounts.items())
    made = an_award(event, **fields, postings=postings)
    back = codec.decode_decision(
        codec.encode_detail(made),
        event_id=made.event_id,
        rule_id=made.rule_id,
        version=made.rules_version,
        role=made.role,
        learner=made.learner,
        outcome=int(made.outcome),
        reason=made.reason,
    )
    assert back == replace(made, uses=())
    assert codec.decode_promise(codec.encode_promise(made)) == (made.postings, made.uses)
