"""What each kind of event changes in the state tables, and what its log row says; for the generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from bench.population import GRADED, PLAN, QUIZ_MARKS, Filling, Population, Row, filling

_WORDS = "I think the key idea is that small habits practised every day matter more than one long evening. "


@dataclass(frozen=True, slots=True)
class Happening:
    """The parts of a log row that depend on what happened."""

    context: int
    level: int
    instance: int
    actor: int
    course: int
    related: int | None
    object_id: int | None
    other: Any


class States:
    """Completions, grades, attempts, submissions, posts, as they stand after the last row."""

    def __init__(self, people: Population, rng: Random) -> None:
        self._people = people
        self._rng = rng
        self._completions: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._grades: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._courses: dict[tuple[int, int], tuple[int, int]] = {}
        self._submissions: dict[tuple[int, int], tuple[int, int]] = {}
        self._badges: dict[tuple[int, int], tuple[int, int]] = {}
        self._attempts: list[Row] = []
        self._tries: dict[tuple[int, int], int] = {}
        self._posts: list[Row] = []
        self._discussions: list[Row] = []
        self._deeds: Mapping[str, Callable[[int, int, int], Happening]] = {
            r"\core\event\course_module_completion_updated": self._complete,
            r"\core\event\user_graded": self._grade,
            r"\core\event\course_completed": self._course_completed,
            r"\core\event\badge_awarded": self._badge,
            r"\mod_quiz\event\attempt_submitted": self._attempt,
            r"\mod_assign\event\assessable_submitted": self._submit,
            r"\mod_forum\event\post_created": self._reply,
            r"\mod_forum\event\discussion_created": self._discuss,
            r"\assignsubmission_onlinetext\event\assessable_uploaded": self._essay,
            r"\mod_forum\event\assessable_uploaded": self._essay,
        }

    def happen(self, event: str, user: int, course: int, at: int) -> Happening:
        """Let ``event`` happen to ``user`` in ``course``."""
        deed = self._deeds.get(event)
        if deed is not None:
            return deed(user, course, at)
        module = event.strip("\\").split("\\")[0].removeprefix("mod_").removeprefix("assignsubmission_")
        module = "assign" if module == "onlinetext" else module
        if module in PLAN:
            n = self._rng.choice(self._people.places(module))
            return self._at_module(course, n, user, object_id=self._people.cm(course, n))
        if event.endswith("dashboard_viewed"):
            return Happening(self._people.user_context(user), 30, user, user, 0, user, None, None)
        if event.endswith(("loggedin", "loggedout", "loggedinas", "login_failed")):
            return Happening(1, 10, 0, user, 0, None, user, {"username": f"u{user}", "extrauserinfo": []})
        return Happening(self._people.course_context(course), 50, course, user, course, user, course, None)

    def tables(self) -> Iterator[Filling]:
        """Everything that happened."""
        completions = "userid coursemoduleid id completionstate timemodified"
        yield filling("course_modules_completion", completions, _flat(self._completions))
        yield filling("grade_grades", "userid itemid id finalgrade timemodified", _flat(self._grades))
        yield filling("course_completions", "userid course id timecompleted", _flat(self._courses))
        submissions = ((*row, "submitted", 1) for row in _flat(self._submissions))
        yield filling("assign_submission", "userid assignment id timemodified status latest", submissions)
        issued = ((*row, f"{row[2]:040}") for row in _flat(self._badges))
        yield filling("badge_issued", "userid badgeid id dateissued uniquehash", issued)
        attempts = "id uniqueid quiz userid attempt state timefinish sumgrades layout"
        yield filling("quiz_attempts", attempts, iter(self._attempts))
        posts = "id discussion parent userid created modified subject message wordcount charcount"
        yield filling("forum_posts", posts, iter(self._posts))
        discussions = "id course forum name firstpost userid timemodified"
        yield filling("forum_discussions", discussions, iter(self._discussions))

    def _at_module(
        self, course: int, n: int, actor: int, *, object_id: int | None, related: int | None = None, other: Any = None
    ) -> Happening:
        cm = self._people.cm(course, n)
        return Happening(self._people.cm_context(cm), 70, cm, actor, course, related, object_id, other)

    def _at_course(self, course: int, actor: int, related: int, object_id: int, other: Any) -> Happening:
        return Happening(self._people.course_context(course), 50, course, actor, course, related, object_id, other)

    def _complete(self, user: int, course: int, at: int) -> Happening:
        n = self._rng.randrange(len(PLAN))
        state = self._rng.choices((0, 1, 2, 3), (71, 184, 40, 17))[0]
        key = (user, self._people.cm(course, n))
        row_id = self._completions.get(key, (len(self._completions) + 1, 0, 0))[0]
        self._completions[key] = (row_id, state, at)
        other = {"relateduserid": user, "overrideby": None, "completionstate": state}
        return self._at_module(course, n, user, object_id=row_id, related=user, other=other)

    def _grade(self, user: int, course: int, at: int) -> Happening:
        total = self._rng.random() < 0.5
        n = None if total else self._rng.choice([n for n, module in enumerate(PLAN) if module in GRADED])
        key = (user, self._people.item(course, n))
        value = self._rng.randint(0, 100)
        row_id = self._grades.get(key, (len(self._grades) + 1, 0, 0))[0]
        self._grades[key] = (row_id, value, at)
        other = {"itemid": str(key[1]), "overridden": False, "finalgrade": f"{value}.00000"}
        return self._at_course(course, -1 if total else user, user, row_id, other)

    def _course_completed(self, user: int, course: int, at: int) -> Happening:
        key = (user, course)
        row_id = self._courses.get(key, (len(self._courses) + 1, 0))[0]
        self._courses[key] = (row_id, at)
        return self._at_course(course, user, user, row_id, {"relateduserid": str(user)})

    def _badge(self, user: int, course: int, at: int) -> Happening:
        key = (user, course)
        row_id = self._badges.setdefault(key, (len(self._badges) + 1, at))[0]
        return self._at_course(course, user, user, course, {"dateexpire": None, "badgeissuedid": row_id})

    def _attempt(self, user: int, course: int, at: int) -> Happening:
        n = self._rng.choice(self._people.places("quiz"))
        quiz = self._people.cm(course, n)
        number = self._tries[user, quiz] = self._tries.get((user, quiz), 0) + 1
        row_id = len(self._attempts) + 1
        marks = self._rng.randint(2, QUIZ_MARKS)
        self._attempts.append((row_id, row_id, quiz, user, number, "finished", at, marks, ""))
        other = {"submitterid": str(user), "quizid": str(quiz), "studentisonline": True}
        return self._at_module(course, n, user, object_id=row_id, related=user, other=other)

    def _submit(self, user: int, course: int, at: int) -> Happening:
        n = self._rng.choice(self._people.places("assign"))
        key = (user, self._people.cm(course, n))
        row_id = self._submissions.get(key, (len(self._submissions) + 1, 0))[0]
        self._submissions[key] = (row_id, at)
        return self._at_module(course, n, user, object_id=row_id, other={"submission_editable": True})

    def _post(self, user: int, discussion: int, parent: int, at: int) -> int:
        row_id = len(self._posts) + 1
        words = self._rng.choice((1, 2, 8, 19, 38, 57))
        self._posts.append((row_id, discussion, parent, user, at, at, "subject", _WORDS[: words * 5], words, words * 5))
        return row_id

    def _reply(self, user: int, course: int, at: int) -> Happening:
        n = self._rng.choice(self._people.places("forum"))
        discussion = max(1, len(self._discussions) - self._rng.randrange(50))
        row_id = self._post(user, discussion, 1, at)
        other = {"discussionid": discussion, "forumid": self._people.cm(course, n), "forumtype": "general"}
        return self._at_module(course, n, user, object_id=row_id, other=other)

    def _discuss(self, user: int, course: int, at: int) -> Happening:
        n = self._rng.choice(self._people.places("forum"))
        row_id, forum = len(self._discussions) + 1, self._people.cm(course, n)
        post = self._post(user, row_id, 0, at)
        self._discussions.append((row_id, course, forum, "subject", post, user, at))
        return self._at_module(course, n, user, object_id=row_id, other={"forumid": forum})

    def _essay(self, user: int, course: int, _at: int) -> Happening:
        n = self._rng.choice(self._people.places("assign"))
        other = {"pathnamehashes": [], "content": _WORDS * self._rng.randint(1, 8), "format": "1"}
        return self._at_module(course, n, user, object_id=self._people.cm(course, n), other=other)


def _flat(rows: Mapping[tuple[int, int], tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    for key, value in rows.items():
        yield (*key, *value)
