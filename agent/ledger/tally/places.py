"""Who earned how much of a currency, the most first: a table of places. Read-only; sums of entries and nothing else."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Container, Mapping
from itertools import groupby

import orjson

from agent.ledger.merging.aliases import Aliases

_EVER = (
    "SELECT p.site, p.lms_user, b.amount FROM balance b JOIN person p ON p.person_no = b.person_no WHERE b.currency = ?"
)
_WITHIN = """
SELECT p.site, p.lms_user, e.amount FROM (
  SELECT person_no, sum(CAST(body AS TEXT) ->> 'amount') AS amount FROM entry
  WHERE acted_at >= :begins AND acted_at < :ends AND instr(body, :of_currency)
    AND CAST(body AS TEXT) ->> 'currency' = :currency
  GROUP BY person_no
) e JOIN person p ON p.person_no = e.person_no
"""

Place = tuple[int, str, int]
"""(place from 1, learner, smallest units)."""


def earned(
    connection: sqlite3.Connection, currency: str, span: tuple[int, int] | None, aliases: Aliases
) -> dict[str, int]:
    """Learner → the sum of the entries in ``currency``, of accounts that were merged under the one they are now.

    ``span`` is of the acts, seconds UTC, its end excluded; without it all that there is, from the kept sums.
    """
    found: Counter[str] = Counter()
    if span is None:
        rows = connection.execute(_EVER, (currency,))
    else:
        of_currency = b'"currency":' + orjson.dumps(currency)
        values = {"begins": span[0], "ends": span[1], "currency": currency, "of_currency": of_currency}
        rows = connection.execute(_WITHIN, values)
    for site, user, amount in rows:
        found[":".join(aliases.root((site, user)))] += amount
    return dict(found)


def placed(sums: Mapping[str, int], absent: Container[str]) -> list[Place]:
    """Whoever has more than nothing and takes part, the most first.

    Who has as much as another shares the place, and the next is passed over (1, 1, 3); they stand in the order of their
    names, so that it is the same each time.
    """
    ordered = sorted(
        ((learner, amount) for learner, amount in sums.items() if amount > 0 and learner not in absent),
        key=lambda pair: (-pair[1], pair[0]),
    )
    found: list[Place] = []
    for amount, group in groupby(ordered, key=lambda pair: pair[1]):
        place = len(found) + 1
        found.extend((place, learner, amount) for learner, _ in group)
    return found
