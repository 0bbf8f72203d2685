"""Life on the campus: two weeks of it written at once, or as it happens, at so many acts a second."""

from __future__ import annotations

import heapq
import sqlite3
import threading
from collections.abc import Callable
from itertools import count
from random import Random

from agent.demo.acts import Acts
from agent.demo.campus import DAY_S, Activity, Campus, Course, connect
from agent.demo.desk import LogDesk
from agent.demo.logrow import LogRow
from agent.demo.oddities import Oddities
from agent.demo.records import Records
from agent.demo.teaching import Teaching

HISTORY_DAYS = 14
_MORNING_S, _EVENING_S = 7 * 3600, 21 * 3600
_LATE, _NEVER, _ODD, _CRON, _NEW_WEEK = 0.08, 0.03, 0.12, 0.15, 0.05
"""How often, live, a request commits late, is rolled back, something odd happens, cron runs, a week is added."""


class Life:
    """One campus being lived in, by one thread. The same seed makes the same story; live, the clock dates it."""

    def __init__(self, campus: Campus, *, seed: int = 1) -> None:
        self._db: sqlite3.Connection = connect(campus.path)
        self._desk = LogDesk(campus.path, self._db)
        self._rng = Random(seed)
        self._acts = Acts(campus, Records(self._db), self._rng)
        self._odd = Oddities(self._acts)
        self._diligence = {user: self._rng.uniform(0.15, 0.8) for user in campus.learners}

    def history(self, *, until: int, days: int = HISTORY_DAYS) -> None:
        """Write the ``days`` before ``until`` in a few transactions, as fast as the disk takes them."""
        for day in range(days):
            start = until - (days - day) * DAY_S
            self._db.execute("BEGIN IMMEDIATE")
            self._day(start - start % DAY_S, limit=until)
            self._db.execute("COMMIT")

    def live(self, stop: threading.Event, now: Callable[[], int], *, acts_per_s: float = 2.0) -> None:
        """Go on living until ``stop`` is set: state first, committed, then the log rows, as Moodle does."""
        while not stop.wait(self._rng.expovariate(acts_per_s)):
            self.moment(now())

    def moment(self, at: int) -> None:
        """One thing happens now."""
        self._db.execute("BEGIN IMMEDIATE")
        dice = self._rng.random()
        if dice < _ODD:
            rows = self._odd.any(at)
        elif dice < _ODD + _CRON and self._acts.cron:
            rows = self._acts.run_cron(at)
        else:
            user = self._rng.choice(self._acts.campus.learners)
            rows = self._acts.log_in(user, at) if self._rng.random() < 0.2 else self._act(user, at)  # noqa: PLR2004
        self._db.execute("COMMIT")
        self._commit(rows)

    def close(self) -> None:
        """Wait for late rows and let go of the file."""
        self._desk.close()
        self._db.close()

    def _commit(self, rows: list[LogRow]) -> None:
        if not rows:
            return
        dice = self._rng.random()
        if dice < _LATE:
            self._desk.write_late(rows, after_s=self._rng.uniform(0.2, 2.5))
            return
        if dice < _LATE + _NEVER:
            self._desk.roll_back(rows[:1])
        self._desk.write(rows)

    def _day(self, midnight: int, *, limit: int) -> None:
        order = count()
        todo: list[tuple[int, int, Callable[[int], list[LogRow]]]] = []

        def plan(at: int, deed: Callable[[int], list[LogRow]]) -> None:
            heapq.heappush(todo, (at, next(order), deed))

        for user, diligence in self._diligence.items():
            if self._rng.random() < diligence:
                self._session(user, midnight + self._rng.randint(_MORNING_S, _EVENING_S), plan)
        for _ in range(4):
            plan(midnight + self._rng.randint(_MORNING_S, _EVENING_S), self._odd.any)
        for hour in range(0, 24, 3):
            plan(midnight + hour * 3600 + 120, self._acts.run_cron)
        while todo:
            at, _, deed = heapq.heappop(todo)
            rows = deed(at) if at < limit else []
            if rows:
                if self._rng.random() < _NEVER:
                    self._desk.roll_back(rows[:1])
                self._desk.write(rows)

    def _session(self, user: int, at: int, plan: Callable[[int, Callable[[int], list[LogRow]]], None]) -> None:
        plan(at, lambda when: self._acts.log_in(user, when))
        for _ in range(self._rng.randint(1, 4)):
            at += self._rng.randint(60, 900)
            plan(at, lambda when: self._act(user, when))

    def _act(self, user: int, at: int) -> list[LogRow]:
        course = self._rng.choice(self._acts.campus.enrolled[user])
        rows = self._acts.look_around(user, course, at)
        unfinished = self._acts.records.open_activities(course, user)
        dice = self._rng.random()
        if unfinished and dice < 0.75:  # noqa: PLR2004 - most of the time one goes on
            return rows + self._acts.work_on(user, unfinished[0], at)
        if not unfinished and self._rng.random() < _NEW_WEEK:
            return rows + self._acts.open_week(course, at, Teaching(self._db, at))
        return rows + self._again(user, course, at)

    def _again(self, user: int, course: Course, at: int) -> list[LogRow]:
        activity: Activity = self._rng.choice(course.activities)
        if activity.module == "feedback":
            return [self._acts.view(user, activity, at)]
        return self._acts.work_on(user, activity, at)
