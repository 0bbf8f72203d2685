"""What a site tells, remembered: structure for a while, what learners did only as long as one page is looked at."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeVar

import structlog

from agent.clock import Clock
from agent.collectors.moodlews import persons, shapes
from agent.collectors.moodlews.client import Parameter, WebService
from agent.collectors.moodlews.faults import FAILS, LACKS_RIGHT, NotToldError
from agent.collectors.moodlews.typed import NotUnderstoodError
from agent.collectors.numbers import whole_number

ANSWERS_MAX = 500
"""Structures of courses that are remembered at once."""
USERS_PER_REQUEST = 1_000
USERS_MAX = 200_000
"""Learners of one course that are asked for."""
DISCUSSIONS_PER_REQUEST = 100
DISCUSSIONS_MAX = 20_000
"""Discussions of one forum that are asked for."""
COHORTS_PER_REQUEST = 20
COHORTS_MAX = 2_000
"""Cohorts of a site whose members are asked for; a site with more tells none."""

ATTEMPTS = ("mod_quiz_get_user_quiz_attempts", "mod_quiz_get_user_attempts")
"""Moodle 5.0 renamed it; older ones know only the second."""
COURSES = "core_course_get_courses_by_field"
CONTENTS = "core_course_get_contents"
STATUSES = "core_completion_get_activities_completion_status"
USERS = "core_user_get_users_by_field"
COURSE_STATUS = "core_completion_get_course_completion_status"
GRADE_ITEMS = "gradereport_user_get_grade_items"
ENROLLED = "core_enrol_get_enrolled_users"
USERS_COURSES = "core_enrol_get_users_courses"
RATINGS = (
    "mod_forum_get_forums_by_courses",
    "mod_forum_get_forum_discussions",
    "mod_forum_get_discussion_posts",
    "core_rating_get_item_ratings",
)
"""What it takes to find ratings."""

_NEVER: tuple[float, Any, frozenset[str]] = (-1.0, None, frozenset())

T = TypeVar("T")
log = structlog.get_logger()


class Answers:
    """What a site tells, each thing asked once: structure is kept for ``cache_s``, the rest until `forget`.

    Every question answers None where Moodle does not tell it; errors of the whole site are raised (`WebService.call`).
    """

    def __init__(self, service: WebService, clock: Clock) -> None:
        self.service = service
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, Any, frozenset[str]]] = OrderedDict()
        self._page: dict[Hashable, Any] = {}
        self._lost: set[str] = set()
        self._refused: dict[str, float] = {}
        self.refusals: dict[str, str] = {}
        self.in_vain: Counter[str] = Counter()
        """How often each function was asked and refused."""

    def forget(self) -> None:
        """Another page begins: what learners did is asked anew."""
        self._page.clear()
        self._lost.clear()

    @property
    def lost(self) -> frozenset[str]:
        """Functions that were refused since `forget`, now or when what is remembered was asked."""
        return frozenset(self._lost)

    async def module(self, course: int, lesson: int) -> shapes.Module | None:
        """An activity; one that is not known is asked for anew, since it may be new."""
        modules = await self.modules(course)
        if modules is not None and lesson not in modules and not self._is_fresh(("contents", course)):
            self._kept.pop(("contents", course), None)
            modules = await self.modules(course)
        return None if modules is None else modules.get(lesson)

    async def modules(self, course: int) -> dict[int, shapes.Module] | None:
        """The activities of a course."""
        return await self._structure(
            ("contents", course), lambda: self._ask(CONTENTS, shapes.contents_of, courseid=course)
        )

    async def roles(self, course: int, user: int) -> tuple[str, ...] | None:
        """The short names of somebody's roles in a course; None where who is enrolled is not told, or they are not."""
        enrolled = await self.enrolled(course)
        if enrolled is not None and user not in enrolled and not self._is_fresh(("enrolled", course)):
            self._kept.pop(("enrolled", course), None)
            enrolled = await self.enrolled(course)
        return None if enrolled is None else enrolled.get(user)

    async def enrolled(self, course: int) -> dict[int, tuple[str, ...]] | None:
        """Everybody in a course, with the short names of their roles there."""
        return await self._structure(("enrolled", course), lambda: self._enrolled(course))

    async def statuses(self, course: int, user: int) -> dict[int, shapes.Status] | None:
        """How a learner stands in the tracked activities of a course."""
        return await self._act(
            ("statuses", course, user),
            lambda: self._ask(STATUSES, shapes.statuses_of, courseid=course, userid=user),
        )

    async def completed(self, course: int, user: int) -> int | None:
        """Since when a learner has completed a course."""
        return await self._act(
            ("completed", course, user),
            lambda: self._ask(COURSE_STATUS, shapes.course_completed_of, courseid=course, userid=user),
        )

    async def grades(self, course: int, user: int) -> dict[int, shapes.Graded] | None:
        """A learner's grades in a course, by grade item."""
        return await self._act(
            ("grades", course, user),
            lambda: self._ask(GRADE_ITEMS, lambda one: shapes.grades_of(one, user), courseid=course, userid=user),
        )

    async def attempts(self, quiz: int, user: int) -> dict[int, shapes.Attempt] | None:
        """A learner's attempts at a quiz."""
        return await self._act(("attempts", quiz, user), lambda: self._attempts(quiz, user))

    async def quizzes(self, course: int) -> dict[int, shapes.Quiz] | None:
        """The quizzes of a course."""
        return await self._structure(
            ("quizzes", course),
            lambda: self._ask("mod_quiz_get_quizzes_by_courses", shapes.quizzes_of, courseids=[course]),
        )

    async def post(self, number: int) -> shapes.Post | None:
        """A post of a forum."""
        posts: dict[int, shapes.Post] | None = await self._act(
            ("post", number), lambda: self._ask("mod_forum_get_discussion_post", shapes.posts_of, postid=number)
        )
        return None if posts is None else posts.get(number)

    async def first_post(self, discussion: int) -> shapes.Post | None:
        """The post that began a discussion."""
        posts: dict[int, shapes.Post] | None = await self._act(
            ("posts", discussion),
            lambda: self._ask("mod_forum_get_discussion_posts", shapes.posts_of, discussionid=discussion),
        )
        return next((post for post in (posts or {}).values() if post.parent is None), None)

    async def open_posts(self, discussion: int) -> dict[int, shapes.Post] | None:
        """The posts of a discussion of Open Forum, of Open LMS."""
        return await self._act(
            ("open posts", discussion),
            lambda: self._ask("mod_hsuforum_get_forum_discussion_posts", shapes.open_posts_of, discussionid=discussion),
        )

    async def assignments(self, course: int) -> dict[int, int] | None:
        """When each assignment of a course is due, 0 for never; for whom it is another date is not told here."""
        return await self._structure(
            ("assignments", course),
            lambda: self._ask(
                "mod_assign_get_assignments",
                shapes.assignments_of,
                courseids=[course],
                includenotenrolledcourses=True,
            ),
        )

    async def handed_in(self, assignment: int, user: int) -> shapes.HandedIn | None:
        """What a learner handed in, and whether they have longer."""
        return await self._act(
            ("handed in", assignment, user),
            lambda: self._ask(
                "mod_assign_get_submission_status", shapes.handed_in_of, assignid=assignment, userid=user
            ),
        )

    async def cohorts(self) -> dict[int, tuple[str, ...]] | None:
        """The names of everybody's cohorts, each by idnumber and by name; who is in none is not there."""
        return await self._structure(("cohorts",), self._cohorts)

    async def cohorts_of(self, user: str) -> frozenset[str] | None:
        """The cohorts of one user, as they were told within ``cache_s``."""
        known = await self.cohorts()
        if known is None:
            return None
        number = whole_number(user)
        return frozenset(() if number is None else known.get(number, ()))

    async def names_of(self, said_by: str, users: Sequence[str]) -> dict[str, str] | None:
        """Usernames, or e-mail addresses where ``said_by`` is `email`, of those of these users who have one now."""
        numbers = {number: user for user in users if (number := whole_number(user)) is not None}
        found = await self._called(said_by, sorted(numbers))
        return None if found is None else {numbers[one]: name for one, name in found.items() if name and one in numbers}

    async def _called(self, said_by: str, numbers: Sequence[int]) -> dict[int, str] | None:
        """Moodle refuses the whole question where one of them was deleted: each half is asked for by itself then."""
        if not numbers:
            return {}
        before = self.in_vain[USERS]
        found = await self._ask(USERS, lambda one: persons.users_of(one, said_by), field="id", values=[*numbers])
        if found is not None or self.in_vain[USERS] > before:
            return found
        if len(numbers) == 1:
            return {}
        middle = len(numbers) // 2
        halves = [await self._called(said_by, part) for part in (numbers[:middle], numbers[middle:])]
        told = [half for half in halves if half is not None]
        return {one: name for half in told for one, name in half.items()} if len(told) == len(halves) else None

    async def course(self, number: int) -> shapes.Course | None:
        """One course."""
        found: dict[int, shapes.Course] | None = await self._structure(
            ("course", number), lambda: self._ask(COURSES, shapes.courses_of, field="id", value=number)
        )
        return None if found is None else found.get(number)

    async def id_number(self, course: int, learner: int) -> str | None:
        """The idnumber of a course in which somebody is: of a course itself Moodle tells it to its editors alone."""
        key = ("id numbers", course)
        numbers = await self._structure(key, lambda: self._id_numbers(learner))
        if not numbers or course not in numbers:
            self._kept.pop(key, None)  # another may be in it
            return None
        return numbers[course]

    async def courses(self) -> dict[int, shapes.Course] | None:
        """Every course that the token's user sees."""
        return await self._act(("courses",), lambda: self._ask(COURSES, shapes.courses_of))

    async def categories(self) -> dict[int, tuple[str, tuple[int, ...]]] | None:
        """Every category: its name, and the way from the top to it."""
        return await self._structure(
            ("categories",), lambda: self._ask("core_course_get_categories", shapes.categories_of)
        )

    async def forums(self, course: int) -> tuple[shapes.Forum, ...] | None:
        """The forums of a course in which posts are rated."""
        return await self._structure(
            ("forums", course),
            lambda: self._ask("mod_forum_get_forums_by_courses", shapes.forums_of, courseids=[course]),
        )

    async def discussions(self, forum: int) -> tuple[int, ...]:
        """The discussions of a forum."""
        found: list[int] = []
        for page in range(DISCUSSIONS_MAX // DISCUSSIONS_PER_REQUEST):
            more = await self._ask(
                "mod_forum_get_forum_discussions",
                shapes.discussions_of,
                forumid=forum,
                page=page,
                perpage=DISCUSSIONS_PER_REQUEST,
            )
            found.extend(more or ())
            if not more or len(more) < DISCUSSIONS_PER_REQUEST:
                break
        return tuple(found)

    async def discussion(self, number: int) -> shapes.Discussion:
        """The posts of a discussion, and which of them have ratings."""
        found = await self._ask("mod_forum_get_discussion_posts", shapes.discussion_of, discussionid=number)
        return found or shapes.Discussion(posts={}, rated=frozenset(), words=())

    async def ratings(self, forum: shapes.Forum, post: int) -> tuple[shapes.Rating, ...]:
        """The ratings of a post."""
        found = await self._ask(
            "core_rating_get_item_ratings",
            shapes.ratings_of,
            contextlevel="module",
            instanceid=forum.lesson,
            component="mod_forum",
            ratingarea="post",
            itemid=post,
            scaleid=forum.scale,
            sort="timemodified",
        )
        return found or ()

    async def _id_numbers(self, learner: int) -> dict[int, str] | None:
        return await self._ask(USERS_COURSES, shapes.id_numbers_of, userid=learner, returnusercount=False)

    async def _enrolled(self, course: int) -> dict[int, tuple[str, ...]] | None:
        found: dict[int, tuple[str, ...]] = {}
        for first in range(0, USERS_MAX, USERS_PER_REQUEST):
            more = await self._ask(
                ENROLLED,
                shapes.enrolled_of,
                courseid=course,
                options=enrolled_options(first, USERS_PER_REQUEST),
            )
            if more is None:
                return None
            found.update(more)
            if len(more) < USERS_PER_REQUEST:
                break
        return found

    async def _cohorts(self) -> dict[int, tuple[str, ...]] | None:
        named = await self._ask("core_cohort_get_cohorts", persons.cohorts_of)
        if named is None or len(named) > COHORTS_MAX:
            return None
        found: dict[int, tuple[str, ...]] = {}
        numbers = sorted(named)
        for first in range(0, len(numbers), COHORTS_PER_REQUEST):
            some = numbers[first : first + COHORTS_PER_REQUEST]
            members = await self._ask("core_cohort_get_cohort_members", persons.members_of, cohortids=[*some])
            if members is None:
                return None
            for number in some:
                for user in members.get(number, ()):
                    found[user] = tuple(dict.fromkeys((*found.get(user, ()), *named[number])))
        return found

    async def _attempts(self, quiz: int, user: int) -> dict[int, shapes.Attempt] | None:
        for function in ATTEMPTS:
            found = await self._ask(
                function, shapes.attempts_of, quizid=quiz, userid=user, status="all", includepreviews=True
            )
            if found is not None:
                self._lost.difference_update(ATTEMPTS)
                return found
        return None

    async def _structure(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        asked_at, kept, lost = self._kept.get(key, _NEVER)
        if asked_at >= 0 and self._clock.running() - asked_at < self.service.options.cache_s:
            known: T = kept
            self._lost |= lost
            return known
        before, self._lost = self._lost, set()
        try:
            found = await ask()
            self._kept[key] = (self._clock.running(), found, frozenset(self._lost))
        finally:
            self._lost |= before
        self._kept.move_to_end(key)
        while len(self._kept) > ANSWERS_MAX:
            self._kept.popitem(last=False)
        return found

    def _is_fresh(self, key: Hashable) -> bool:
        """Whether it was asked for the page under way, or within a second."""
        asked_at, *_ = self._kept.get(key, _NEVER)
        return asked_at >= 0 and self._clock.running() - asked_at < 1.0

    async def _act(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        if key not in self._page:
            self._page[key] = await ask()
        found: T = self._page[key]
        return found

    async def _ask(self, function: str, read: Callable[[Any], T], **parameters: Parameter) -> T | None:
        now = self._clock.running()
        if now < self._refused.get(function, 0.0):
            self._miss(function)
            return None
        try:
            found = read(await self.service.call(function, **parameters))
        except NotToldError as error:
            if error.whole:
                self._refused[function] = now + self.service.options.cache_s
            if error.whole or error.code in LACKS_RIGHT | FAILS:
                self._tell(function, error.message, error.hint)
            return None
        except NotUnderstoodError as error:
            self._tell(function, error.message, "tell us the version of Moodle")
            return None
        return found

    def _tell(self, function: str, why: str, cure: str) -> None:
        """Told once for each function."""
        self._miss(function)
        if function not in self.refusals:
            log.warning("web_service_refused", source=self.service.options.name, function=function, why=why, do=cure)
        self.refusals[function] = why

    def _miss(self, function: str) -> None:
        self._lost.add(function)
        self.in_vain[function] += 1


def enrolled_options(first: int, number: int) -> list[Parameter]:
    """So many of a course's people, from one of them on, with nothing but their numbers and roles."""
    options: dict[str, Parameter] = {
        "userfields": "id,roles",
        "limitfrom": first,
        "limitnumber": number,
        "sortby": "id",
    }
    return [{"name": name, "value": options[name]} for name in options]
