"""What people do on the campus, and the rows each act leaves in the log, in the order in which Moodle writes them."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from agent.demo.campus import Activity, Campus, Course
from agent.demo.cast import ADMIN, POSTS, QUIZ_MARKS, SHORT_POSTS, TEACHER
from agent.demo.logrow import SYSTEM, LogRow
from agent.demo.records import DONE, Records
from agent.demo.teaching import Teaching

_PASS_MARKS = 5
COMPLETED = r"\core\event\course_module_completion_updated"
COURSE_COMPLETED = r"\core\event\course_completed"


class Acts:
    """Does one act after another: writes the state tables and gives the log rows; commits nothing.

    ``cron`` is what Moodle leaves for its cron: courses whose completion is noticed there, some of them again.
    """

    def __init__(self, campus: Campus, records: Records, rng: Random) -> None:
        self.campus = campus
        self.records = records
        self.rng = rng
        self.cron: list[tuple[Course, int, bool]] = []

    def log_in(self, user: int, at: int) -> list[LogRow]:
        """Log in and land on the dashboard, which Moodle logs twice."""
        name = self.campus.usernames[user]
        home = (self.campus.contexts[user], 30, user)
        other = {"username": name, "extrauserinfo": []}
        seen = LogRow(event=r"\core\event\dashboard_viewed", at=at, user=user, context=home, related=user)
        login = LogRow(
            event=r"\core\event\user_loggedin", at=at, user=user, context=SYSTEM, object_id=user, other=other
        )
        return [login, seen, seen]

    def look_around(self, user: int, course: Course, at: int) -> list[LogRow]:
        """Open the course page and perhaps the grades."""
        rows = [self._in_course(r"\core\event\course_viewed", course, user, at)]
        if self.rng.random() < 0.2:  # noqa: PLR2004 - one in five
            rows.append(self._in_course(r"\gradereport_user\event\grade_report_viewed", course, user, at, related=user))
        return rows

    def view(self, user: int, activity: Activity, at: int) -> LogRow:
        """Open an activity."""
        name = rf"\mod_{activity.module}\event\course_module_viewed"
        return self._in_activity(name, activity, user, at, object_id=activity.instance)

    def work_on(self, user: int, activity: Activity, at: int) -> list[LogRow]:
        """Do what this sort of activity asks for."""
        match activity.module:
            case "page":
                return self.read(user, activity, at)
            case "quiz":
                return self.take_quiz(user, activity, at)
            case "assign":
                return self.hand_in(user, activity, at)
            case "forum":
                return self.write_post(user, activity, at)
            case "feedback":
                return self.give_feedback(user, activity, at)

    def read(self, user: int, page: Activity, at: int) -> list[LogRow]:
        """Read a page: the view completes it, state 0 and then 1 within the second."""
        rows = [self.view(user, page, at)]
        if self.records.state(page, user) in DONE:
            return rows
        completion = self.records.completion(page, user, 0, at)
        rows.append(self._completion_row(page, user, completion, 0, at, actor=user))
        rows += self.complete(user, page, at)
        return rows + self.untick(user, page, at) if self.rng.random() < 0.08 else rows  # noqa: PLR2004

    def untick(self, user: int, page: Activity, at: int) -> list[LogRow]:
        """Untick a page and tick it again within the second: the second tick equals the first in all but its id."""
        undone = self.records.completion(page, user, 0, at)
        rows = [self._completion_row(page, user, undone, 0, at, actor=user)]
        again = self.records.completion(page, user, 1, at)
        return [*rows, self._completion_row(page, user, again, 1, at, actor=user)]

    def take_quiz(self, user: int, quiz: Activity, at: int) -> list[LogRow]:
        """Take a quiz: completion, grade, course total, submission, in this order."""
        marks = min(QUIZ_MARKS, max(0, round(self.rng.gauss(7.6, 2.0))))
        attempt = self.records.attempt(quiz, user, marks, at)
        rows = [self.view(user, quiz, at - 20)]
        quizid = {"quizid": str(quiz.instance)}
        paged = {**quizid, "page": "0"}
        for step, other in (("started", None), ("viewed", paged), ("updated", paged), ("summary_viewed", quizid)):
            name = rf"\mod_quiz\event\attempt_{step}"
            rows.append(self._attempt_row(name, quiz, user, attempt, at - 10, other))
        if self.records.state(quiz, user) not in DONE:
            if marks >= _PASS_MARKS:
                rows += self.complete(user, quiz, at, state=2)
            else:
                failed = self.records.completion(quiz, user, 3, at)
                rows.append(self._completion_row(quiz, user, failed, 3, at, actor=user))
        rows += self._graded(user, quiz, marks * 100 // QUIZ_MARKS, user, at)
        submitted = {"submitterid": str(user), **quizid, "studentisonline": True}
        rows.append(self._attempt_row(r"\mod_quiz\event\attempt_submitted", quiz, user, attempt, at, submitted))
        rows.append(self._attempt_row(r"\mod_quiz\event\attempt_reviewed", quiz, user, attempt, at, quizid))
        return rows

    def hand_in(self, user: int, assign: Activity, at: int) -> list[LogRow]:
        """Hand an essay in; the log carries its whole text. Handing in again fires everything again."""
        submission, first = self.records.submission(assign, user, at)
        text = " ".join(self.rng.choices(POSTS, k=3))
        status = {"submissionid": str(submission), "submissionstatus": "submitted", "onlinetextwordcount": 60}
        uploaded = r"\assignsubmission_onlinetext\event\assessable_uploaded"
        step = "created" if first else "updated"
        saved = rf"\assignsubmission_onlinetext\event\submission_{step}"
        essay = {"pathnamehashes": [], "content": text, "format": "1"}
        rows = [
            self.view(user, assign, at - 30),
            self._in_activity(r"\mod_assign\event\submission_form_viewed", assign, user, at - 30, related=user),
            self._in_activity(uploaded, assign, user, at, object_id=submission, other=essay),
            self._in_activity(saved, assign, user, at, object_id=submission, related=user, other=status),
        ]
        if self.records.state(assign, user) not in DONE:
            rows += self.complete(user, assign, at)
        name = r"\mod_assign\event\assessable_submitted"
        other = {"submission_editable": True}
        return [*rows, self._in_activity(name, assign, user, at, object_id=submission, other=other)]

    def mark_essay(self, user: int, assign: Activity, at: int) -> list[LogRow]:
        """The teacher marks an essay: the grader is the teacher, the learner the related user."""
        graded = self._in_activity(r"\mod_assign\event\submission_graded", assign, TEACHER, at, related=user)
        return [graded, *self._graded(user, assign, self.rng.randrange(40, 101, 5), TEACHER, at)]

    def write_post(self, user: int, forum: Activity, at: int) -> list[LogRow]:
        """Open a discussion or reply to one; one in four posts is not worth reading, some are sent twice."""
        text = self.rng.choice(SHORT_POSTS if self.rng.random() < 0.25 else POSTS)  # noqa: PLR2004 - one in four
        running = self.records.open_discussion(forum)
        rows = [self.view(user, forum, at - 40)]
        if running is None or self.rng.random() < 0.3:  # noqa: PLR2004 - three in ten
            rows += self._discuss(user, forum, text, at)
        else:
            for _ in range(2 if self.rng.random() < 0.1 else 1):  # noqa: PLR2004 - one in ten clicks twice
                rows += self._reply(user, forum, running, text, at)
        if user in self.campus.enrolled and self.records.state(forum, user) not in DONE:
            rows += self.complete(user, forum, at)
        return rows

    def tag(self, user: int, forum: Activity, post: int, name: str, at: int) -> LogRow:
        """Give a post a tag; the row names who gave it, not whose post it is."""
        tag, instance = self.records.tag(post, forum.context, name, user, at)
        other = {"tagid": tag, "tagname": name, "tagrawname": name, "itemid": post, "itemtype": "forum_posts"}
        return self._in_activity(r"\core\event\tag_added", forum, user, at, object_id=instance, other=other)

    def give_feedback(self, user: int, feedback: Activity, at: int) -> list[LogRow]:
        """Answer an anonymous questionnaire: the row is marked anonymous and still carries the real ids."""
        other = {"cmid": str(feedback.cm), "instanceid": str(feedback.instance), "anonymous": "1"}
        name = r"\mod_feedback\event\response_submitted"
        row = self._in_activity(name, feedback, user, at, object_id=at % 1000, related=user, other=other, anonymous=1)
        done = [] if self.records.state(feedback, user) in DONE else self.complete(user, feedback, at)
        return [self.view(user, feedback, at - 15), row, *done]

    def complete(self, user: int, activity: Activity, at: int, *, state: int = 1, **row: Any) -> list[LogRow]:
        """Complete an activity; a course's last one logs `course_completed` first, or leaves it to cron."""
        completion = self.records.completion(activity, user, state, at)
        rows = [self._completion_row(activity, user, completion, state, at, actor=user, **row)]
        course = next(course for course in self.campus.courses if course.id == activity.course)
        if user in self.campus.enrolled and not self.records.open_activities(course, user):
            at_once = self.rng.random() < 0.5  # noqa: PLR2004 - half are noticed at once
            if at_once:
                rows.insert(0, self.course_completed_row(course, user, at, actor=user))
            if not at_once or self.rng.random() < 0.6:  # noqa: PLR2004 - cron tells most of them again
                self.cron.append((course, user, at_once))
        return rows

    def open_week(self, course: Course, at: int, teaching: Teaching) -> list[LogRow]:
        """The teacher adds a section, because a class has finished everything there was."""
        grown = teaching.open_week(course)
        courses = tuple(grown if known.id == grown.id else known for known in self.campus.courses)
        enrolled = {
            user: tuple(grown if known.id == grown.id else known for known in chosen)
            for user, chosen in self.campus.enrolled.items()
        }
        self.campus = replace(self.campus, courses=courses, enrolled=enrolled)
        name = r"\core\event\course_module_created"
        return [
            self._in_activity(
                name,
                new,
                TEACHER,
                at,
                object_id=new.cm,
                other={"modulename": new.module, "instanceid": new.instance, "name": new.name},
            )
            for new in grown.activities[len(course.activities) :]
        ]

    def run_cron(self, at: int) -> list[LogRow]:
        """Moodle's cron: completions it notices, some for a second or third time, and badges; actor is the admin."""
        waiting, self.cron = self.cron, []
        rows: list[LogRow] = []
        for course, user, again in waiting:
            rows.append(self.course_completed_row(course, user, at, actor=ADMIN, again=again, origin="cli"))
            issued = self.records.badge(course, user, at)
            if issued is not None:
                other = {"dateexpire": None, "badgeissuedid": issued}
                name = r"\core\event\badge_awarded"
                place = {"object_id": course.badge, "related": user, "other": other, "origin": "cli"}
                rows.append(self._in_course(name, course, ADMIN, at, **place))
            if self.rng.random() < 0.3:  # noqa: PLR2004 - three in ten come once more
                self.cron.append((course, user, True))
        return rows

    def course_completed_row(
        self, course: Course, user: int, at: int, *, actor: int, again: bool = False, **row: Any
    ) -> LogRow:
        """Record a course as completed; ``again`` gives it a new object id."""
        completion = self.records.course_completed(course, user, at, again=again)
        other = {"relateduserid": user}
        return self._in_course(
            COURSE_COMPLETED, course, actor, at, object_id=completion, related=user, other=other, **row
        )

    def _discuss(self, user: int, forum: Activity, text: str, at: int) -> list[LogRow]:
        discussion, post = self.records.discussion(forum, user, text, at)
        whole = {"content": text, "discussionid": discussion, "triggeredfrom": "forum_add_discussion"}
        where = {"forumid": forum.instance, "discussion": discussion}
        subscribed = r"\mod_forum\event\discussion_subscription_created"
        made = {"forumid": forum.instance}
        return [
            self._in_activity(r"\mod_forum\event\assessable_uploaded", forum, user, at, object_id=post, other=whole),
            self._in_activity(
                r"\mod_forum\event\discussion_created", forum, user, at, object_id=discussion, other=made
            ),
            self._in_activity(subscribed, forum, user, at, object_id=discussion, related=user, other=where),
        ]

    def _reply(self, user: int, forum: Activity, running: tuple[int, int], text: str, at: int) -> list[LogRow]:
        discussion, first = running
        post = self.records.post(discussion, user, text, at, parent=first)
        whole = {"content": text, "discussionid": discussion, "triggeredfrom": "forum_add_new_post"}
        where = {"discussionid": str(discussion), "forumid": str(forum.instance), "forumtype": "general"}
        return [
            self._in_activity(r"\mod_forum\event\discussion_viewed", forum, user, at - 40, object_id=discussion),
            self._in_activity(r"\mod_forum\event\assessable_uploaded", forum, user, at, object_id=post, other=whole),
            self._in_activity(r"\mod_forum\event\post_created", forum, user, at, object_id=post, other=where),
        ]

    def _graded(self, user: int, activity: Activity, value: int, grader: int, at: int) -> list[LogRow]:
        if activity.grade_item is None:
            return []
        course = next(course for course in self.campus.courses if course.id == activity.course)
        grade = self.records.grade(activity.grade_item, user, value, grader, at)
        total_id, total = self.records.course_total(course, user, at)
        name = r"\core\event\user_graded"
        item = {"itemid": str(activity.grade_item), "overridden": False, "finalgrade": f"{value}.00000"}
        whole = {"itemid": str(course.total_item), "overridden": False, "finalgrade": total}
        return [
            self._in_course(name, course, grader, at, object_id=grade, related=user, other=item),
            self._in_course(name, course, -1, at, object_id=total_id, related=user, other=whole),
        ]

    def _completion_row(
        self, activity: Activity, user: int, completion: int, state: int, at: int, *, actor: int, **row: Any
    ) -> LogRow:
        other = {"relateduserid": user, "overrideby": None, "completionstate": state}
        return self._in_activity(COMPLETED, activity, actor, at, object_id=completion, related=user, other=other, **row)

    def _attempt_row(self, name: str, quiz: Activity, user: int, attempt: int, at: int, other: Any) -> LogRow:
        return self._in_activity(name, quiz, user, at, object_id=attempt, related=user, other=other)

    @staticmethod
    def _in_course(name: str, course: Course, user: int, at: int, **row: Any) -> LogRow:
        return LogRow(event=name, at=at, user=user, course=course.id, context=(course.context, 50, course.id), **row)

    @staticmethod
    def _in_activity(name: str, activity: Activity, user: int, at: int, **row: Any) -> LogRow:
        context = (activity.context, 70, activity.cm)
        return LogRow(event=name, at=at, user=user, course=activity.course, context=context, **row)
