"""Which functions a service must hold, what each feeds, and which capabilities its user needs for it. Data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

SITE_INFO = "core_webservice_get_site_info"
_EVERYWHERE = "webservice/rest:use"
NAMES = "names"
"""What feeds the register of names at the catalogue; no fact of an act."""
VIEWS = (
    "mod/assign:view",
    "mod/bigbluebuttonbn:view",
    "mod/data:view",
    "mod/feedback:view",
    "mod/glossary:view",
    "mod/h5pactivity:view",
    "mod/lti:view",
    "mod/quiz:view",
    "mod/workshop:view",
)
"""What students may see and not everybody who logs in: activities that its user may not see are in no answer."""
CAPABILITIES = (
    _EVERYWHERE,
    "moodle/course:view",
    "moodle/course:viewhiddencourses",
    "moodle/category:viewhiddencategories",
    "moodle/course:viewhiddensections",
    "moodle/course:viewhiddenactivities",
    "moodle/course:ignoreavailabilityrestrictions",
    "moodle/course:viewparticipants",
    "moodle/user:viewdetails",
    "moodle/site:accessallgroups",
    *VIEWS,
)
"""What the role of the service's user allows at the site, whatever is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One function: the facts (of the fact table) and the kinds that are lost without it.

    ``kinds`` are those of which something is found that no post told. ``capabilities`` come on top of `CAPABILITIES`.
    ``instead`` is a function of an older Moodle that will do; ``elsewhere`` says that not every Moodle has it.
    """

    function: str
    facts: frozenset[str] = frozenset()
    kinds: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    always: bool = False
    instead: str = ""
    elsewhere: bool = False


_PEOPLE = ("moodle/course:viewparticipants", "moodle/user:viewdetails", "moodle/site:accessallgroups")
_PROGRESS = frozenset({"section_progress_pct", "course_progress_pct"})
_LENGTHS = frozenset({"word_count", "char_count", "tags"})
_SCORES = frozenset({"score_pct", "attempt", "late_by", "on_time"})

NEEDS: tuple[Need, ...] = (
    Need(function=SITE_INFO, always=True),
    Need(
        function="core_course_get_courses_by_field",
        facts=frozenset({"course_shortname", "since_start", "course_categories"}),
        always=True,
    ),
    Need(function="core_course_get_contents", facts=_PROGRESS | {"section", "module"}, kinds=("quiz.*",), always=True),
    Need(
        function="core_enrol_get_enrolled_users",
        facts=frozenset({"staff", "roles", "by_staff"}),
        capabilities=_PEOPLE,
        always=True,
    ),
    Need(function="core_enrol_get_users_courses", facts=frozenset({"course_idnumber"})),
    Need(function="core_course_get_categories", facts=frozenset({"course_categories"})),
    Need(
        function="core_completion_get_activities_completion_status",
        facts=_PROGRESS,
        kinds=("lesson.completed",),
        capabilities=("report/progress:view",),
    ),
    Need(
        function="core_completion_get_course_completion_status",
        facts=frozenset({"course_progress_pct"}),
        kinds=("course.completed",),
        capabilities=("report/completion:view",),
    ),
    Need(
        function="gradereport_user_get_grade_items",
        kinds=("grade.awarded", "course.graded"),
        capabilities=("gradereport/user:view", "moodle/grade:viewall", "moodle/grade:viewhidden"),
    ),
    Need(
        function="mod_quiz_get_user_quiz_attempts",
        instead="mod_quiz_get_user_attempts",
        facts=_SCORES,
        kinds=("quiz.*",),
        capabilities=("mod/quiz:view", "mod/quiz:viewreports"),
    ),
    Need(
        function="mod_quiz_get_quizzes_by_courses",
        facts=_SCORES - {"attempt"},
        capabilities=("mod/quiz:view", "mod/quiz:viewreports"),
    ),
    Need(
        function="mod_forum_get_discussion_post",
        facts=_LENGTHS | {"tag"},
        kinds=("forum.tagged",),
        capabilities=("mod/forum:viewdiscussion", "mod/forum:viewqandawithoutposting"),
    ),
    Need(
        function="mod_forum_get_discussion_posts",
        facts=_LENGTHS | {"post"},
        kinds=("forum.rated",),
        capabilities=("mod/forum:viewdiscussion", "mod/forum:viewqandawithoutposting"),
    ),
    Need(
        function="mod_forum_get_forums_by_courses", kinds=("forum.rated",), capabilities=("mod/forum:viewdiscussion",)
    ),
    Need(
        function="mod_forum_get_forum_discussions", kinds=("forum.rated",), capabilities=("mod/forum:viewdiscussion",)
    ),
    Need(
        function="mod_hsuforum_get_forum_discussion_posts",
        facts=_LENGTHS - {"tags"} | {"post"},
        capabilities=("mod/hsuforum:viewdiscussion", "mod/hsuforum:viewqandawithoutposting"),
        elsewhere=True,
    ),
    Need(
        function="mod_assign_get_assignments",
        facts=frozenset({"late_by", "on_time"}),
        capabilities=("mod/assign:view",),
    ),
    Need(
        function="mod_assign_get_submission_status",
        facts=frozenset({"late_by", "on_time", "attempt"}),
        capabilities=("mod/assign:view", "mod/assign:viewgrades"),
    ),
    Need(function="core_cohort_get_cohorts", facts=frozenset({"cohorts"}), capabilities=("moodle/cohort:view",)),
    Need(function="core_cohort_get_cohort_members", facts=frozenset({"cohorts"}), capabilities=("moodle/cohort:view",)),
    Need(
        function="core_user_get_users_by_field",
        facts=frozenset({NAMES}),
        capabilities=("moodle/user:viewalldetails", "moodle/site:viewuseridentity"),
    ),
    Need(
        function="core_rating_get_item_ratings",
        kinds=("forum.rated",),
        capabilities=(
            "moodle/rating:view",
            "moodle/rating:viewany",
            "moodle/rating:viewall",
            "mod/forum:viewrating",
            "mod/forum:viewanyrating",
        ),
    ),
)


def wanted(facts: Iterable[str], kinds: Iterable[str]) -> Iterator[Need]:
    """The functions that rules with these facts, on events of these kinds, cannot do without."""
    looked_at, met = frozenset(facts), tuple(kinds)
    for need in NEEDS:
        fed = not need.facts.isdisjoint(looked_at) and (
            need.function not in _OF_KIND or _meets(_OF_KIND[need.function], met)
        )
        if need.always or fed or _meets(need.kinds, met):
            yield need


_OF_KIND = {
    "mod_quiz_get_user_quiz_attempts": ("quiz.*",),
    "mod_quiz_get_quizzes_by_courses": ("quiz.*",),
    "mod_forum_get_discussion_post": ("forum.*",),
    "mod_forum_get_discussion_posts": ("forum.*",),
    "mod_hsuforum_get_forum_discussion_posts": ("forum.*",),
    "mod_assign_get_assignments": ("assignment.*",),
    "mod_assign_get_submission_status": ("assignment.*",),
}
"""Functions whose facts also come from elsewhere: they are needed for these kinds alone."""


def _meets(patterns: Iterable[str], kinds: Iterable[str]) -> bool:
    met = tuple(kinds)
    return any(fnmatchcase(kind, pattern) for pattern in patterns for kind in met)
