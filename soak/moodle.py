"""A busy Moodle on a real MariaDB, and what posts: rows late, out of order, rolled back; posts until they are taken."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import aiohttp
import pymysql

from agent.demo.schema import mariadb_ddl
from sim.moodle import COLUMNS, COMPLETED, COURSE, DELETED, FORUM, POSTED, Acts, Form, Row, form_post, trigger_post
from tests.servers import MariaDatabase

LEARNERS = tuple(range(31, 2_031))
LESSONS = tuple(range(11, 51))
WRITERS = 3
ROWS_AT_ONCE = (1, 1, 1, 4, 25)
LATE_S_MAX = 3.0
POSTS_AT_ONCE = 16
POST_S_MAX = 5.0
LOG = "mdl_logstore_standard_log"
_INSERT = f"INSERT INTO {LOG} ({', '.join(COLUMNS[1:])}) VALUES ({', '.join(['%s'] * (len(COLUMNS) - 1))})"


class Site:
    """The site's log, written by several at once until `end`. ``posted`` is told of rows that tool_trigger posts."""

    def __init__(
        self, database: MariaDatabase, now: Callable[[], float], rows_per_s: float, posted: Callable[[Row], None]
    ) -> None:
        self._database = database
        self._now = now
        self._pause_s = WRITERS * sum(ROWS_AT_ONCE) / len(ROWS_AT_ONCE) / rows_per_s
        self._posted = posted
        self._drawing = threading.Lock()
        self._acts = Acts(random.Random("acts"), LEARNERS, LESSONS)
        self._posted_at: dict[int, int] = {}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        self.counts: Counter[str] = Counter()
        for statement in mariadb_ddl():
            database.execute(statement)
        there = ", ".join(f"({number}, {COURSE})" for number in sorted({*LESSONS, FORUM}))
        database.execute(f"INSERT INTO mdl_course_modules (id, course) VALUES {there}")
        database.grant_reader()

    @property
    def name(self) -> str:
        """Of its database."""
        return self._database.name

    def begin(self) -> None:
        """Learners act."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Nobody acts any more; what was open is committed or rolled back."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def draw(self, number: int) -> list[Row]:
        """What so many do now, less what nobody can do: delete a post before it is there."""
        with self._drawing:
            return [row for row in (self._acts.next(int(self._now())) for _ in range(number)) if self._can_be(row)]

    def _can_be(self, row: Row) -> bool:
        """Writers are late, each by itself: the row of a deletion may get a lower id than that of its post.

        Of the second of both nobody could tell then which came first.
        """
        if row["eventname"] == POSTED:
            self._posted_at[row["objectid"]] = row["timecreated"]
        return row["eventname"] != DELETED or self._posted_at.get(row["objectid"], 0) < int(row["timecreated"])

    def commit(self, rows: list[Row]) -> None:
        """Write them at once, in one transaction."""
        with self._database.connect(autocommit=False) as connection, connection.cursor() as cursor:
            cursor.executemany(_INSERT, [tuple(row.values()) for row in rows])
            connection.commit()

    def rows(self) -> list[Row]:
        """Every row that was committed, in order."""
        found = self._database.execute(f"SELECT {', '.join(COLUMNS)} FROM {LOG} ORDER BY id")
        return [dict(zip(COLUMNS, row, strict=True)) for row in found]

    def _write(self, number: int) -> None:
        chance = random.Random(f"writer {number}")
        while not self._over.is_set():
            with (
                contextlib.suppress(pymysql.MySQLError, OSError),
                self._database.connect(autocommit=False) as connection,
            ):
                while not self._over.is_set():
                    self._transaction(connection, chance)
                    time.sleep(chance.expovariate(1 / self._pause_s))
            self._over.wait(0.1)  # the database is away

    def _transaction(
        self, connection: pymysql.connections.Connection[pymysql.cursors.Cursor], chance: random.Random
    ) -> None:
        rows = self.draw(chance.choice(ROWS_AT_ONCE))
        told = [row for row in rows if chance.random() < 0.1 and _is_told(row)]
        for row in told:
            self._posted(row)
        with connection.cursor() as cursor:
            cursor.executemany(_INSERT, [tuple(row.values()) for row in rows])
        if chance.random() < 0.1:
            self.counts["rows visible late"] += len(rows)
            self._over.wait(chance.random() * LATE_S_MAX)
        if chance.random() < 0.05:
            self.counts["rows rolled back"] += len(rows)
            connection.rollback()
        else:
            connection.commit()


def _is_told(row: Row) -> bool:
    """Whether tool_trigger posts it: completions of real learners, at this campus."""
    plain = row["origin"] == "web" and not row["anonymous"] and not row["realuserid"]
    return row["eventname"] == COMPLETED and plain and row["userid"] in LEARNERS


class Posting:
    """Systems that post to the agent's door and do not give up."""

    def __init__(self, url: str, token: str, now: Callable[[], float]) -> None:
        self._url = url
        self._now = now
        self._chance = random.Random("posts")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(POSTS_AT_ONCE)
        self._jobs: set[asyncio.Task[None]] = set()
        self.forms: list[Form] = []
        self.answers: Counter[int] = Counter()
        """HTTP status → how often; 0 is no answer."""

    @property
    def waiting(self) -> int:
        """Posts that were not taken yet."""
        return len(self._jobs)

    def row(self, row: Row) -> None:
        """Post a row, once or twice; from any thread."""
        self._loop.call_soon_threadsafe(self._begin, "/hook/moodle", trigger_post(row))

    def form(self) -> None:
        """Somebody sends a form that no log knows."""
        form = Form(len(self.forms) + 1, self._chance.choice(LEARNERS), int(self._now()))
        self.forms.append(form)
        self._begin("/hook/forms", form_post(form))

    def _begin(self, path: str, body: bytes) -> None:
        for _ in range(1 + (self._chance.random() < 0.2)):
            job = asyncio.create_task(self._until_taken(path, body))
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)

    async def _until_taken(self, path: str, body: bytes) -> None:
        while True:
            async with self._places:
                status = await self._post(path, body)
            self.answers[status] += 1
            if status in {200, 202}:
                return
            await asyncio.sleep(0.3 + self._chance.random())

    async def _post(self, path: str, body: bytes) -> int:
        limit = aiohttp.ClientTimeout(total=POST_S_MAX)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=limit) as session,
                session.post(self._url + path, data=body) as answer,
            ):
                await answer.read()
                return answer.status
        return 0
