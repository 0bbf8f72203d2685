"""Awards that an event can undo: what is kept of them, and giving back what they had used, in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agent.ledger import codec
from agent.ledger.record.behind import Behind
from agent.ledger.record.names import Names
from agent.ledger.record.people import People, Person
from agent.model import Decision, Use

OBJECT = "object:"
"""How the meters begin under which an award is found again by what it was about."""

COOLDOWN = "cooldown:"
"""Uses of these meters count on after a reversal: a reversed award still was one for the cooldown."""

SHADOW = "shadow/"
"""Before the meters of what only would have been paid."""

FREE = "UPDATE quota_use SET freed = 1 WHERE meter_no = ? AND bucket = ? AND person_no = ? AND slot = ?"


def is_object(meter: str) -> bool:
    """Whether uses of this meter say what an award was about."""
    return meter.removeprefix(SHADOW).startswith(OBJECT)


async def remember(behind: Behind, booked: Sequence[tuple[int, Decision]], people: Mapping[str, Person]) -> None:
    """Keep what the awards among ``booked`` (marker and decision) took, where an event can undo them."""
    objects = {meter for meter in {use.meter for _, d in booked for use in d.uses} if is_object(meter)}
    if objects:
        rows = [
            (marker, people[d.learner].person_no if d.learner in people else 0, codec.encode_award(d))
            for marker, d in booked
            if d.reverses is None and any(use.meter in objects for use in d.uses)
        ]
        await behind.insert("undoable (marker, person_no, award)", rows)


def taken_back(
    booked: Iterable[tuple[int, Decision]], markers: Mapping[int, int], first_no: int
) -> Sequence[tuple[Use, int]]:
    """The uses of every award that ``booked`` reverses, each with the award's marker."""
    return [
        (use, award.marker or markers[first_no - 1 + award.number])
        for _, decision in booked
        if (award := decision.reverses) is not None
        for use in award.uses
    ]


async def free(behind: Behind, names: Names, uses: Sequence[tuple[Use, int]], people: People) -> None:
    """Give back uses, each with the marker of its award; cooldowns run on. Those of erased persons are gone already."""
    freed = [(use, marker) for use, marker in uses if not use.meter.removeprefix(SHADOW).startswith(COOLDOWN)]
    if not freed:
        return
    connection = await behind.quiet()
    meters = await names.find(connection, "meter", {use.meter for use, _ in freed})
    persons = await people.find(connection, {use.learner for use, _ in freed if use.learner})
    await connection.executemany(
        FREE,
        [
            (
                meters[use.meter],
                use.bucket,
                persons[use.learner].person_no if use.learner else 0,
                use.slot if use.slot >= 0 else marker,
            )
            for use, marker in freed
            if not use.learner or use.learner in persons
        ],
    )
