"""What the quotas say to an award that wants to be booked: asked in order, used only where all agree. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from agent.engine.calendar import Calendar
from agent.engine.past.state import State
from agent.engine.quota import AWARDS, ROLLING, SCOPE, Places, Quota, until
from agent.model import Posting, Use, UseKey, noun


@noun
class Claim:
    """An award that wants to be booked."""

    learner: str
    at: int
    postings: tuple[Posting, ...]
    places: Places
    calendar: Calendar
    prefix: str
    approved: bool = False


class Answer(NamedTuple):
    """What the quotas say: what is paid and used, or the ``quota`` that refuses or holds and until when."""

    postings: tuple[Posting, ...] = ()
    uses: tuple[Use, ...] = ()
    generation: int = 0
    quota: Quota | None = None
    until: int | None = None


def amounts_of(postings: Iterable[Posting]) -> dict[str, int]:
    """What each unit of a quota counts of an award."""
    return {AWARDS: 1, **{posting.currency: posting.amount for posting in postings}}


def answer_to(claim: Claim, state: State) -> Answer:
    """Asks every quota in order; only when all agree is anything used."""
    amounts, uses, at = amounts_of(claim.postings), state.uses, claim.at
    asked = [(quota, quota.key(bucket, claim.learner, claim.prefix)) for quota, bucket in claim.places]
    emptied = _trim(asked, amounts, claim, state)
    for quota, key in asked:
        needed = 1 if quota is emptied else amounts[quota.unit]
        if uses.room(quota, key, at) < needed and not (claim.approved and quota.over == "hold"):
            if quota.span is ROLLING:
                return Answer(quota=quota, until=uses.free_at(quota, key, at, needed))
            return Answer(quota=quota, until=until(quota, claim.calendar, at))
    return _use(asked, amounts, claim, state)


_Asked = Sequence[tuple[Quota, UseKey]]


def _trim(asked: _Asked, amounts: dict[str, int], claim: Claim, state: State) -> Quota | None:
    """Lowers ``amounts`` to what fits the quotas that trim; returns the one that leaves nothing at all to pay."""
    for quota, key in asked:
        if quota.over != "trim" or not amounts[quota.unit]:
            continue
        amounts[quota.unit] = min(amounts[quota.unit], state.uses.room(quota, key, claim.at))
        if not any(amounts[posting.currency] for posting in claim.postings):
            return quota
    return None


def _use(asked: _Asked, amounts: dict[str, int], claim: Claim, state: State) -> Answer:
    """Books: one use for each meter, visible to what follows."""
    generation, at, known = 0, claim.at, state.uses
    uses: dict[UseKey, Use] = {}
    for quota, key in asked:
        amount = amounts[quota.unit]
        if amount and key not in uses:
            slot = -1
            if quota.span is SCOPE:
                slot = generation = known.generation(key)
            meter, bucket, learner = key
            use = uses[key] = Use(meter=meter, bucket=bucket, learner=learner, at=at, amount=amount, slot=slot)
            known.book(use, key, quota.span)
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
