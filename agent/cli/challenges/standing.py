"""Where learners stand in challenges, as rows: for `challenge`, and for `learner show`."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.cli.frame import utc

if TYPE_CHECKING:
    from agent.engine.rulebook import CompiledChallenge, Rulebook


def of_learner(connection: sqlite3.Connection, rulebook: Rulebook, learner: str) -> list[dict[str, Any]]:
    """Every challenge that somebody has begun or is enrolled in."""
    from agent.ledger.past import progress

    rows = []
    for made in rulebook.challenges:
        mine = progress.members(connection, made.counting.meter, learner=learner).get(learner)
        if mine:
            rows.append(row(made, learner, mine))
    return rows


def of_challenge(connection: sqlite3.Connection, made: CompiledChallenge, learner: str = "") -> list[dict[str, Any]]:
    """Everybody who has begun a challenge or is enrolled in it, by name; or one learner alone."""
    from agent.ledger.past import progress

    found = progress.members(connection, made.counting.meter, learner=learner)
    return [row(made, who, mine) for who, mine in sorted(found.items())]


def row(made: CompiledChallenge, learner: str, members: Mapping[int, int]) -> dict[str, Any]:
    """One learner in one challenge."""
    from agent.clock import SystemClock
    from agent.engine.challenge.told import line, place

    stands = place(made, members, SystemClock().now())
    times = {name: utc(stands[name]) for name in ("completed_at", "began", "ends")}
    return {"learner": learner, **stands, **times, "told": line(stands)}
