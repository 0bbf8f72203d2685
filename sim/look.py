"""What one look into an agent's ledger shows: where delivery stands, what learners have, and which links wait."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from agent.errors import RewardsError
from agent.ledger import delivery, file
from agent.ledger.merging import tags

_BALANCES = """
SELECT p.site || ':' || p.lms_user, b.amount FROM balance b JOIN person p USING (person_no) WHERE b.amount <> 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The ledger at one moment. ``delivery`` tells in words where it stands, ``fault`` and ``trouble`` what it says."""

    fault: str
    trouble: str
    delivered: bool
    """Whether the catalogue has answered for the newest entry, and nothing stands against delivery."""
    delivery: str
    balances: dict[str, int]
    """Learner → points, of everybody who has any."""
    held: tuple[tuple[str, tuple[str, ...]], ...]
    """Accounts whose link waits for a person, each with those that it would be linked to."""


def look(home: Path) -> Seen | None:
    """Look into the ledger of the agent that lies in ``home``; None while there is none to be read."""
    try:
        with file.reading(home / "data") as connection:
            stands = delivery.standing(connection)
            newest = connection.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0]
            balances = dict(connection.execute(_BALANCES).fetchall())
            held = tuple((one.learner, one.others) for one in tags.held(connection))
    except RewardsError:
        return None
    keep = ("acked_seq", "last_error", "fault", "attempts", "next_try_at")
    return Seen(
        fault=str(stands["fault"]),
        trouble=str(stands["last_error"]),
        delivered=bool(stands["acked_seq"] == newest and not stands["last_error"] and not stands["fault"]),
        delivery=f"delivery: {json.dumps({name: stands.get(name) for name in keep})}",
        balances=balances,
        held=held,
    )
