"""A million rows of Moodle's log in a database: a working site's mix of events, state tables, gaps, unordered times.

python -m bench.generate                # how long it takes, and what came out
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from agent.demo.logrow import LOG_COLUMNS, php_serialize, shape
from bench.filling import AnyDatabase, filling_of
from bench.mariadb import mariadb
from bench.mix import Share, shares
from bench.population import ADMIN, Population, Row, Size
from bench.states import States

PACE_S = 7.776
"""Mean seconds from row to row: a million rows in ninety days."""
BORN_AT = 1_770_000_000
ACTIVE = 60
"""How many learners are at it at any moment; each stays for about `STAY` rows."""
STAY = 50
GAP_EVERY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was generated."""

    rows: int
    max_id: int
    last_at: int


class Generator:
    """The log rows in order of their ids; fills `States` on the way."""

    def __init__(self, population: Population, rng: Random) -> None:
        self._people = population
        self._rng = rng
        self.states = States(population, rng)
        self._shares = shares()
        self._weights = list(itertools.accumulate(share.weight for share in self._shares))
        self._fixed = {share.event: self._words(share.event) for share in self._shares}
        self._log_id = 0
        self.last_at = BORN_AT

    def rows(self) -> Iterator[Row]:
        """All of them."""
        size, rng = self._people.size, self._rng
        learners = self._people.learners
        active = [self._arrive(rng.choice(learners)) for _ in range(ACTIVE)]
        clock = float(BORN_AT)
        for _ in range(size.rows):
            clock += rng.random() * 2 * PACE_S
            self._log_id += rng.randint(2, 6) if rng.random() < 1 / GAP_EVERY else 1
            n = int(rng.random() * ACTIVE)
            if rng.random() < 1 / STAY:
                active[n] = self._arrive(rng.choice(learners))
            share = self._shares[bisect(self._weights, rng.random() * self._weights[-1])]
            lag = int(rng.random() * (5 if share.origin == "cli" else 2))
            self.last_at = int(clock)
            yield self._row(share, *active[n], self.last_at - lag)

    @property
    def max_id(self) -> int:
        """The newest id so far."""
        return self._log_id

    def _arrive(self, user: int) -> tuple[int, int]:
        return user, self._rng.choice(self._people.enrolled[user])

    @staticmethod
    def _words(event: str) -> tuple[tuple[object, ...], str | None, str, int]:
        component, _, name = event.strip("\\").split("\\")
        target, _, action = name.rpartition("_")
        table, crud, level = shape(event)
        return (event, component, action, target), table, crud, level

    def _row(self, share: Share, user: int, course: int, at: int) -> Row:
        rng = self._rng
        words, table, crud, level = self._fixed[share.event]
        what = self.states.happen(share.event, user, course, at)
        object_id = what.object_id
        if share.origin is None:
            at, object_id = at - 30 * 86_400, -31337
        actor = what.actor if share.origin not in ("cli", "restore") or what.actor < 0 else ADMIN
        other = php_serialize(what.other) if rng.random() < share.php else json.dumps(what.other, separators=(",", ":"))
        return (
            *(self._log_id, *words, table, object_id, crud, level),
            *(what.context, what.level, what.instance, actor, what.course, what.related),
            *(int(rng.random() < share.anonymous), other, at, share.origin),
            "203.0.113.7" if share.origin == "web" else None,
            ADMIN if rng.random() < share.logged_in_as else None,
        )


def generate(database: AnyDatabase, size: Size | None = None, *, seed: int = 1) -> Made:
    """Fill an empty database with ``size.rows`` log rows and what goes with them. The same seed makes the same rows."""
    size = size or Size()
    rng = Random(seed)
    filling = filling_of(database)
    filling.make()
    population = Population(size, rng, BORN_AT)
    generator = Generator(population, rng)
    rows = filling.load("mdl_logstore_standard_log", LOG_COLUMNS, generator.rows())
    for table, columns, content in itertools.chain(population.tables(), generator.states.tables()):
        filling.load(table, columns, content)
    filling.done()
    return Made(rows=rows, max_id=generator.max_id, last_at=generator.last_at)


def main(argv: list[str]) -> None:
    """Generate once and say what came out."""
    size = Size(rows=int(argv[0])) if argv else Size()
    with mariadb() as server:
        database = server.create_database()
        started = time.perf_counter()
        made = generate(database, size)
        print(f"{made} in {time.perf_counter() - started:.1f} s")
        for (table,) in database.execute("SHOW TABLES"):
            print(f"{table:40} {database.execute(f'SELECT COUNT(*) FROM {table}')[0][0]:>10,}")


if __name__ == "__main__":
    main(sys.argv[1:])
