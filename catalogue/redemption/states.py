"""The life of a redemption, as a table. Pure.

Points are taken when it is reserved and come back when it is released or refunded. What was sent to a partner and never
answered is in doubt: a partner that knows an order again is asked again (doubtful), of another nobody asks twice
(unknown): its statement, or somebody's hand, settles it.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a redemption is."""

    reserved = "reserved"  # points taken; nothing was sent, or surely nothing arrived
    sending = "sending"  # an attempt is under way
    doubtful = "doubtful"  # an attempt was lost; asking again is safe
    resending = "resending"  # an attempt is under way after one that was lost
    unknown = "unknown"  # an attempt was lost; asking again is not safe
    fulfilled = "fulfilled"  # there is a voucher
    released = "released"  # points are back; nobody ever had a voucher
    refunded = "refunded"  # points are back; the voucher is void


class Event(StrEnum):
    """What happens to it."""

    claim = "claim"  # a courier takes it to send it
    issued = "issued"  # there is a voucher
    declined = "declined"  # the partner says that there is and will be none
    not_sent = "not_sent"  # the attempt surely did not arrive
    lost = "lost"  # the attempt may have arrived; the partner does not know an order again
    lost_repeatable = "lost_repeatable"  # the attempt may have arrived; the partner knows an order again
    cancel = "cancel"  # the learner or an operator no longer wants it
    give_up = "give_up"  # it was tried long enough
    refund = "refund"  # the points go back although there was a voucher
    returned = "returned"  # the campus gives a voucher back that was made beforehand and that nobody was shown


S, E = State, Event

TABLE: dict[tuple[State, Event], State] = {
    (S.reserved, E.issued): S.fulfilled,
    (S.reserved, E.claim): S.sending,
    (S.reserved, E.cancel): S.released,
    (S.reserved, E.give_up): S.released,
    (S.sending, E.issued): S.fulfilled,
    (S.sending, E.declined): S.released,
    (S.sending, E.not_sent): S.reserved,
    (S.sending, E.lost): S.unknown,
    (S.sending, E.lost_repeatable): S.doubtful,
    (S.doubtful, E.claim): S.resending,
    (S.doubtful, E.issued): S.fulfilled,
    (S.doubtful, E.declined): S.released,
    (S.doubtful, E.give_up): S.unknown,
    (S.resending, E.issued): S.fulfilled,
    (S.resending, E.declined): S.released,
    (S.resending, E.not_sent): S.doubtful,
    (S.resending, E.lost): S.unknown,
    (S.resending, E.lost_repeatable): S.doubtful,
    (S.unknown, E.issued): S.fulfilled,
    (S.unknown, E.declined): S.released,
    (S.fulfilled, E.refund): S.refunded,
    (S.fulfilled, E.returned): S.released,
}
"""What leads where; whatever is not here is impossible."""

WAITING = frozenset((S.reserved, S.doubtful))
"""A courier may take it."""
UNDER_WAY = frozenset((S.sending, S.resending))
"""A courier has it, and may never come back."""
GIVEN_BACK = frozenset((S.released, S.refunded))
"""The points are back."""
HELD = frozenset(State) - GIVEN_BACK
"""What counts against stock and limits."""


class ImpossibleError(Exception):
    """An event that cannot happen in a state."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event} is not possible: it is {state}")
        self.state = state
        self.event = event


def after(state: State, event: Event) -> State:
    """The state that follows.

    Raises:
        ImpossibleError: none does.
    """
    found = TABLE.get((state, event))
    if found is None:
        raise ImpossibleError(state, event)
    return found


def gives_back(before: State, now: State) -> bool:
    """Whether this step returns the points."""
    return now in GIVEN_BACK and before not in GIVEN_BACK
