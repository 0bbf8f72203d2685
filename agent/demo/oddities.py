"""What happens on every campus and must not be paid, or not at once: guests, staff, restores, queued rows."""

from __future__ import annotations

from typing import Any

from agent.demo.acts import COMPLETED, COURSE_COMPLETED, Acts
from agent.demo.campus import DAY_S, Activity, Course
from agent.demo.cast import ADMIN, GUEST, TEACHER, TUTOR
from agent.demo.logrow import SYSTEM, LogRow
from agent.demo.records import DONE

UNMAPPED = -31337
"""The object id Moodle writes where a restore could not map the old one."""
_QUEUED_S = 2 * DAY_S


class Oddities:
    """Each method is one thing that happens; it may give no rows where it finds nobody to happen to."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    def any(self, at: int) -> list[LogRow]:
        """One of them, picked by the campus's own dice."""
        trespass = (self.guest, self.staff, self.logged_in_as, self.restored, self.queued)
        happenings = (*trespass, self.marking, self.rating, self.tagging)
        return self._acts.rng.choice(happenings)(at)

    def guest(self, at: int) -> list[LogRow]:
        """A guest reads a page, and Moodle records a completion for the guest account."""
        page = self._acts.rng.choice(self._course().of("page"))
        return [self._acts.view(GUEST, page, at), *self._acts.complete(GUEST, page, at)]

    def staff(self, at: int) -> list[LogRow]:
        """A teacher works through the own course and writes in its forum."""
        course = self._course()
        user = self._acts.rng.choice((TEACHER, TUTOR))
        rows = self._acts.complete(user, self._acts.rng.choice(course.of("page")), at)
        for forum in course.of("forum"):
            rows += self._acts.write_post(user, forum, at)
        return rows

    def logged_in_as(self, at: int) -> list[LogRow]:
        """The administrator logs in as a learner and completes something in the learner's name."""
        found = self._unfinished()
        if found is None:
            return []
        user, page = found
        other = {"originalusername": "admin", "loggedinasusername": self._acts.campus.usernames[user]}
        name = r"\core\event\user_loggedinas"
        became = LogRow(event=name, at=at, user=ADMIN, context=SYSTEM, object_id=ADMIN, related=user, other=other)
        return [became, *self._acts.complete(user, page, at, real_user=ADMIN)]

    def restored(self, at: int) -> list[LogRow]:
        """A course is restored with its logs: old rows come back with new ids, old times and no origin."""
        course = self._course()
        place = (course.context, 50, course.id)
        old = at - 5 * DAY_S
        other = {"type": "course", "target": 2, "mode": 10, "operation": "restore", "samesite": True}
        name = r"\core\event\course_restored"
        rows = [
            LogRow(
                event=name,
                at=at,
                user=ADMIN,
                course=course.id,
                context=place,
                object_id=course.id,
                other=other,
                origin="restore",
            )
        ]
        page = course.of("page")[0]
        for user in self._acts.rng.sample(self._acts.campus.learners, 3):
            done = {"relateduserid": user, "overrideby": None, "completionstate": 1}
            unmapped: dict[str, Any] = {"course": course.id, "related": user, "object_id": UNMAPPED, "origin": None}
            there = (page.context, 70, page.cm)
            rows.append(LogRow(event=COMPLETED, at=old, user=user, context=there, other=done, **unmapped))
            whole = {"relateduserid": user}
            rows.append(LogRow(event=COURSE_COMPLETED, at=old, user=user, context=place, other=whole, **unmapped))
        return rows

    def queued(self, at: int) -> list[LogRow]:
        """A queued log store delivers a completion two days late, of a section that was not touched since."""
        then = at - _QUEUED_S
        found = self._unfinished(untouched_since=then)
        return self._acts.complete(*found, then) if found else []

    def marking(self, at: int) -> list[LogRow]:
        """The teacher marks a few essays."""
        rows: list[LogRow] = []
        course = self._course()
        for assign in course.of("assign"):
            for user in self._acts.rng.sample(self._acts.campus.learners, 6):
                if course in self._acts.campus.enrolled[user] and self._acts.records.state(assign, user) in DONE:
                    rows += self._acts.mark_essay(user, assign, at)
        return rows

    def rating(self, at: int) -> list[LogRow]:
        """The teacher finds a post constructive; only the rating table knows."""
        for forum in self._course().of("forum"):
            running = self._acts.records.open_discussion(forum)
            if running is not None:
                self._acts.records.rating(running[1], forum.context, TEACHER, self._acts.rng.randint(3, 5), at)
        return []

    def tagging(self, at: int) -> list[LogRow]:
        """The teacher calls the newest discussions constructive; now and then a learner says so, which is no merit."""
        rows: list[LogRow] = []
        for forum in self._course().of("forum"):
            running = self._acts.records.open_discussion(forum)
            if running is not None:
                by = TEACHER if self._acts.rng.random() < 0.8 else self._acts.campus.learners[0]  # noqa: PLR2004 - four in five
                rows.append(self._acts.tag(by, forum, running[1], "constructive", at))
        return rows

    def _course(self) -> Course:
        return self._acts.rng.choice(self._acts.campus.courses)

    def _unfinished(self, *, untouched_since: int | None = None) -> tuple[int, Activity] | None:
        course = self._course()
        for user in self._acts.rng.sample(self._acts.campus.learners, len(self._acts.campus.learners)):
            pages = [a for a in self._acts.records.open_activities(course, user) if a.module == "page"]
            if untouched_since is not None:
                pages = [page for page in pages if self._acts.records.touched(page.section, user) <= untouched_since]
            if course in self._acts.campus.enrolled[user] and pages:
                return user, pages[-1]
        return None
