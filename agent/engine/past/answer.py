"""What the quotas say to an award that wants to be booked: asked in order, used only where all agree. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from agent.engine.calendar import Calendar
from agent.engine.past.state import State
from agent.engine.quota import AWARDS, ROLLING, SCOPE, Places, Quota, Uses, until
from agent.model import Posting, Use, UseKey


class Claim(NamedTuple):
    """An award that wants to be booked; its ``generation`` is below 0 where the scope gives the next one."""

    learner: str
    at: int
    postings: tuple[Posting, ...]
    places: Places
    calendar: Calendar
    prefix: str
    approved: bool = False
    generation: int = -1


class Answer(NamedTuple):
    """What the quotas say: what is paid and used, or the ``quota`` that refuses or holds and until when."""

    postings: tuple[Posting, ...] = ()
    uses: tuple[Use, ...] = ()
    generation: int = 0
    quota: Quota | None = None
    until: int | None = None


def closed_by(claim: Claim, rule_id: str, scope: str, state: State) -> tuple[int, ...]:
    """The holds that an award closes, just booked: those of its scope, once nothing more can be paid in that."""
    holds = (rule_id, claim.learner, scope)
    if holds not in state.holds:
        return ()
    once, bucket = claim.places[0]
    used = state.uses.totals.get(once.key(bucket, claim.learner, claim.prefix), 0)
    if used < once.maximum:
        return ()
    closed = state.holds.pop(holds)
    state.acts.closed(closed)
    return closed


def amounts_of(postings: Iterable[Posting]) -> dict[str, int]:
    """What each unit of a quota counts of an award."""
    amounts = {AWARDS: 1}
    for posting in postings:
        amounts[posting.currency] = posting.amount
    return amounts


def answer_to(claim: Claim, state: State) -> Answer:
    """Asks every quota in order, each about what those before it left; only when all agree is anything used."""
    learner, at, postings, places, calendar, prefix, approved, _ = claim
    amounts, uses = amounts_of(postings), state.uses
    totals = uses.totals
    asked: _Asked = []
    for quota, bucket in places:
        key = quota.key(bucket, learner, prefix)
        asked.append((quota, key))
        needed = amounts[quota.unit]
        if needed <= 0 or (quota.span is not ROLLING and totals.get(key, 0) + needed <= quota.maximum):
            continue
        room = uses.room(quota, key, at)
        if room >= needed or (approved and quota.over == "hold"):
            continue
        if quota.over == "trim":
            amounts[quota.unit] = room
            if any(amounts[posting.currency] for posting in postings):
                continue
            needed = 1
        if quota.span is ROLLING:
            return Answer(quota=quota, until=uses.free_at(quota, key, at, needed))
        return Answer(quota=quota, until=until(quota, calendar, at))
    return _use(asked, amounts, claim, uses)


_Asked = list[tuple[Quota, UseKey]]


def _use(asked: _Asked, amounts: dict[str, int], claim: Claim, known: Uses) -> Answer:
    """Books: one use for each meter, visible to what follows."""
    generation, at = 0, claim.at
    uses: dict[UseKey, Use] = {}
    for quota, key in asked:
        amount = amounts[quota.unit]
        if amount and key not in uses:
            slot, span = -1, quota.span
            if span is SCOPE:
                slot = generation = known.generation(key) if claim.generation < 0 else claim.generation
            meter, bucket, learner = key
            use = uses[key] = Use(meter=meter, bucket=bucket, learner=learner, at=at, amount=amount, slot=slot)
            known.book(use, key, span)
    return Answer(_paid(claim.postings, amounts), tuple(uses.values()), generation)


def _paid(postings: tuple[Posting, ...], amounts: Mapping[str, int]) -> tuple[Posting, ...]:
    """The postings as they were trimmed; those of nothing are left out."""
    for posting in postings:
        if not 0 < posting.amount == amounts[posting.currency]:
            break
    else:
        return postings
    trimmed = (Posting(currency=posting.currency, amount=amounts[posting.currency]) for posting in postings)
    return tuple(posting for posting in trimmed if posting.amount)
