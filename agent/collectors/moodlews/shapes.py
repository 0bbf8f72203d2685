"""What Moodle's functions answer, taken apart: their documented structures in, small frozen things out. Pure.

Moodle leaves out optional fields, writes null where it hides something, and adds fields with every version: what is not
needed is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.collectors.moodlews.typed import integer as _int
from agent.collectors.moodlews.typed import name as _name
from agent.collectors.moodlews.typed import number as _number
from agent.collectors.moodlews.typed import table as _table
from agent.collectors.moodlews.typed import tables as _tables
from agent.collectors.moodlews.typed import text as _text
from agent.collectors.moodlews.typed import whole as _whole
from agent.collectors.numbers import whole_number

DONE = frozenset({1, 2})
"""Completion states that count: complete, complete and passed."""
_ALL = 1
"""`aggregation` of course completion: 1 all criteria, 2 any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """An activity; ``section`` is the section that counts: of a subsection the one that it lies in."""

    id: int
    name: str
    instance: int
    section: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How one learner stands in one tracked activity; ``at`` 0 where nothing is known."""

    module: int
    state: int
    at: int
    override_by: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """One learner's grade in one item; ``grade`` as Moodle writes it, None where there is none or it is hidden.

    ``number`` tells the items of one activity apart.
    """

    item: int
    sort: str
    number: int | None
    module: str | None
    lesson: int | None
    grade: int | float | None
    at: int
    least: int | float | None
    most: int | float | None
    overridden: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a quiz; ``marks`` None where it is not marked or they are hidden."""

    id: int
    number: int
    state: str
    preview: bool
    marks: int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiz:
    """What a quiz is marked out of, and when it closes (0: never)."""

    id: int
    most: int | float | None
    closes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A post of a forum; ``message`` never leaves the look-up that counts its words. ``tags`` None: not told."""

    id: int
    parent: int | None
    author: int | None
    words: int | None
    characters: int | None
    message: str
    tags: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What somebody gave a post: a number of points, or a word of a scale."""

    id: int
    rater: int
    rating: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A course by its names; ``starts`` 0 where it has no start, ``tracks`` whether anything can be completed in it.

    ``id_number`` is empty where it has none, None where it is not told: to editors of the course alone it is.
    """

    id: int
    short_name: str
    id_number: str | None
    starts: int
    category: int
    tracks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Forum:
    """A forum whose posts may be rated: ``scale`` above 0 is a number of points, below 0 a scale of words."""

    id: int
    lesson: int
    scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """What one learner handed in: ``attempts`` by submission, from 0 on; ``extended`` is an own due date, 0: none."""

    attempts: Mapping[int, int]
    extended: int


def contents_of(answer: object) -> dict[int, Module]:
    """`core_course_get_contents`: the activities by course module."""
    sections = list(_tables(answer))
    inside = {
        _int(module, "instance"): _int(section, "id")
        for section in sections
        for module in _tables(section.get("modules"))
        if module.get("modname") == "subsection"
    }
    return {
        _int(module, "id"): Module(
            id=_int(module, "id"),
            name=_text(module, "modname"),
            instance=_int(module, "instance"),
            section=_section(section, inside),
        )
        for section in sections
        for module in _tables(section.get("modules"))
    }


def _section(section: Mapping[str, Any], inside: Mapping[int, int]) -> int:
    if section.get("component") == "mod_subsection":
        return inside.get(_whole(section.get("itemid")) or 0, _int(section, "id"))
    return _int(section, "id")


def statuses_of(answer: object) -> dict[int, Status]:
    """`core_completion_get_activities_completion_status`: the tracked activities by course module."""
    return {
        _int(one, "cmid"): Status(
            module=_int(one, "cmid"),
            state=_int(one, "state"),
            at=_whole(one.get("timecompleted")) or 0,
            override_by=_whole(one.get("overrideby")),
        )
        for one in _tables(_table(answer).get("statuses"))
    }


def course_completed_of(answer: object) -> int | None:
    """`core_completion_get_course_completion_status`: since when, as far as its criteria tell; None where it is not.

    The moment itself is not told: with all criteria it is that of the last, with any that of the first.
    """
    status = _table(_table(answer).get("completionstatus"))
    times = [
        at
        for one in _tables(status.get("completions"))
        if one.get("complete") and (at := _whole(one.get("timecompleted")))
    ]
    if not status.get("completed") or not times:
        return None
    return max(times) if status.get("aggregation", _ALL) == _ALL else min(times)


def grades_of(answer: object, user: int) -> dict[int, Graded]:
    """`gradereport_user_get_grade_items`: one learner's grades by grade item."""
    return {
        _int(item, "id"): Graded(
            item=_int(item, "id"),
            sort=_text(item, "itemtype"),
            number=_whole(item.get("itemnumber")),
            module=item.get("itemmodule") or None,
            lesson=_whole(item.get("cmid")),
            grade=_number(item.get("graderaw")),
            at=_whole(item.get("gradedategraded")) or 0,
            least=_number(item.get("grademin")),
            most=_number(item.get("grademax")),
            overridden=item.get("gradeisoverridden"),
        )
        for one in _tables(_table(answer).get("usergrades"))
        if _int(one, "userid") == user
        for item in _tables(one.get("gradeitems"))
    }


def attempts_of(answer: object) -> dict[int, Attempt]:
    """`mod_quiz_get_user_attempts` and its successor: attempts by their number in the site."""
    return {
        _int(one, "id"): Attempt(
            id=_int(one, "id"),
            number=_int(one, "attempt"),
            state=_text(one, "state"),
            preview=bool(_whole(one.get("preview"))),
            marks=_number(one.get("sumgrades")),
        )
        for one in _tables(_table(answer).get("attempts"))
    }


def quizzes_of(answer: object) -> dict[int, Quiz]:
    """`mod_quiz_get_quizzes_by_courses`."""
    return {
        _int(one, "id"): Quiz(
            id=_int(one, "id"), most=_number(one.get("sumgrades")), closes=_whole(one.get("timeclose")) or 0
        )
        for one in _tables(_table(answer).get("quizzes"))
    }


def posts_of(answer: object) -> dict[int, Post]:
    """`mod_forum_get_discussion_posts`, or `mod_forum_get_discussion_post` with its one."""
    table = _table(answer)
    posts = [table["post"]] if "post" in table else table.get("posts")
    return {_int(one, "id"): _post(one) for one in _tables(posts)}


def _post(one: Mapping[str, Any]) -> Post:
    return Post(
        id=_int(one, "id"),
        parent=_whole(one.get("parentid")) if one.get("hasparent") else None,
        author=_whole(_table(one.get("author") or {}).get("id")),
        words=_whole(one.get("wordcount")),
        characters=_whole(one.get("charcount")),
        message=str(one.get("message") or ""),
        tags=tuple(dict.fromkeys(_name(tag, "displayname").lower() for tag in _tables(one.get("tags")))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Discussion:
    """The posts of a discussion, which of them are ``rated``, and the ``words`` of the scale, where that is told."""

    posts: Mapping[int, Post]
    rated: frozenset[int]
    words: tuple[str, ...]


def discussion_of(answer: object) -> Discussion:
    """`mod_forum_get_discussion_posts`: where ratings are not told, all of its posts may have some.

    The words of a scale are told to whoever may rate.
    """
    posts = posts_of(answer)
    told = _table(answer).get("ratinginfo")
    about = _table(told) if isinstance(told, dict) else {}
    counted = {_int(one, "itemid"): _whole(one.get("count")) for one in _tables(about.get("ratings") or [])}
    items = [list(_tables(one.get("items") or [])) for one in _tables(about.get("scales") or [])]
    placed = {_int(item, "value"): _text(item, "name") for item in (items[0] if len(items) == 1 else ())}
    return Discussion(
        posts=posts,
        rated=frozenset(number for number in posts if counted.get(number, 1) != 0),
        words=tuple(placed[place] for place in sorted(placed)) if set(placed) == set(range(1, len(placed) + 1)) else (),
    )


def ratings_of(answer: object) -> tuple[Rating, ...]:
    """`core_rating_get_item_ratings`."""
    return tuple(
        Rating(
            id=_int(one, "id"), rater=_int(one, "userid"), rating=str(one.get("rating")), at=_int(one, "timemodified")
        )
        for one in _tables(_table(answer).get("ratings"))
    )


def enrolled_of(answer: object) -> dict[int, tuple[str, ...]]:
    """`core_enrol_get_enrolled_users`: the short names of each one's roles in the course."""
    return {
        _int(one, "id"): tuple(_text(role, "shortname") for role in _tables(one.get("roles") or []))
        for one in _tables(answer)
    }


def courses_of(answer: object) -> dict[int, Course]:
    """`core_course_get_courses_by_field`."""
    return {
        _int(one, "id"): Course(
            id=_int(one, "id"),
            short_name=_name(one, "shortname"),
            id_number=str(one["idnumber"] or "") if "idnumber" in one else None,
            starts=_whole(one.get("startdate")) or 0,
            category=_whole(one.get("categoryid")) or 0,
            tracks=_whole(one.get("enablecompletion")) != 0,
        )
        for one in _tables(_table(answer).get("courses"))
    }


def id_numbers_of(answer: object) -> dict[int, str]:
    """`core_enrol_get_users_courses`: the idnumbers of a learner's courses, empty where there is none."""
    return {_int(one, "id"): str(one.get("idnumber") or "") for one in _tables(answer)}


def categories_of(answer: object) -> dict[int, tuple[str, tuple[int, ...]]]:
    """`core_course_get_categories`: name, and the way from the top to it."""
    return {
        _int(one, "id"): (
            _name(one, "name"),
            tuple(number for part in _text(one, "path").split("/") if (number := whole_number(part)) is not None),
        )
        for one in _tables(answer)
    }


def forums_of(answer: object) -> tuple[Forum, ...]:
    """`mod_forum_get_forums_by_courses`: those in which posts are rated."""
    return tuple(
        Forum(id=_int(one, "id"), lesson=_int(one, "cmid"), scale=_int(one, "scale"))
        for one in _tables(answer)
        if _whole(one.get("assessed"))
    )


def discussions_of(answer: object) -> tuple[int, ...]:
    """`mod_forum_get_forum_discussions`."""
    return tuple(_int(one, "discussion") for one in _tables(_table(answer).get("discussions")))


def open_posts_of(answer: object) -> dict[int, Post]:
    """`mod_hsuforum_get_forum_discussion_posts`: Open Forum counts nothing and tells no tags."""
    return {
        _int(one, "id"): Post(
            id=_int(one, "id"),
            parent=_whole(one.get("parent")) or None,
            author=_whole(one.get("userid")),
            words=None,
            characters=None,
            message=str(one.get("message") or ""),
            tags=None,
        )
        for one in _tables(_table(answer).get("posts"))
    }


def assignments_of(answer: object) -> dict[int, int]:
    """`mod_assign_get_assignments`: when each assignment is due for whom nothing else is said, 0 for never."""
    return {
        _int(one, "id"): _whole(one.get("duedate")) or 0
        for course in _tables(_table(answer).get("courses"))
        for one in _tables(course.get("assignments"))
    }


def handed_in_of(answer: object) -> HandedIn:
    """`mod_assign_get_submission_status`: a learner's attempts, a team's too, and the extension that was granted."""
    found = _table(answer)
    last = _table(found.get("lastattempt") or {})
    earlier = [*_tables(found.get("previousattempts") or []), last]
    made = [one[name] for one in earlier for name in ("submission", "teamsubmission") if one.get(name)]
    return HandedIn(
        attempts={_int(one, "id"): _int(one, "attemptnumber") for one in _tables(made)},
        extended=_whole(last.get("extensionduedate")) or 0,
    )


def functions_of(answer: object) -> frozenset[str]:
    """`core_webservice_get_site_info`: what the service holds."""
    return frozenset(_text(one, "name") for one in _tables(_table(answer).get("functions")))
