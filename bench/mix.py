"""The event mix of a working Moodle 4.5, counted on a site with some 35 accounts: what a million log rows are made of.

One line per event: how many rows by origin (`copied` is a NULL origin: a row that a course restore brought along), and
of these how many were anonymous, written while logged in as somebody else, or carried `other` as PHP serialize.
"""

from __future__ import annotations

from dataclasses import dataclass

_COUNTED = r"""
\assignsubmission_onlinetext\event\assessable_uploaded web=36 php=3
\assignsubmission_onlinetext\event\submission_created web=30 php=1
\assignsubmission_onlinetext\event\submission_updated web=6 php=2
\core\event\badge_awarded web=26 cli=6 ws=1 copied=10 php=1
\core\event\badge_criteria_created cli=6
\core\event\badge_enabled cli=6
\core\event\badge_revoked cli=1
\core\event\badge_updated web=3 cli=8 copied=2
\core\event\calendar_event_created cli=12
\core\event\capability_assigned cli=1
\core\event\cohort_created cli=1
\core\event\cohort_deleted cli=1
\core\event\cohort_member_added cli=16
\core\event\cohort_member_removed cli=1
\core\event\course_backup_created cli=3
\core\event\course_category_created cli=2
\core\event\course_category_deleted cli=1
\core\event\course_completed web=26 cli=39 ws=1 copied=10 php=1
\core\event\course_content_deleted cli=1
\core\event\course_created cli=3
\core\event\course_deleted cli=1
\core\event\course_module_completion_updated web=291 cli=19 ws=5 copied=17 as=3 php=20
\core\event\course_module_created cli=50
\core\event\course_restored restore=2
\core\event\course_section_created cli=15 restore=10
\core\event\course_viewed web=120 cli=1 ws=1 copied=13 as=1 php=31
\core\event\dashboard_viewed web=224 as=1 php=64
\core\event\enrol_instance_created cli=9 restore=6
\core\event\enrol_instance_deleted cli=3
\core\event\enrol_instance_updated cli=6
\core\event\grade_item_created cli=20 restore=16
\core\event\grade_item_deleted cli=3
\core\event\grade_item_updated web=1 cli=101 restore=14
\core\event\notification_sent web=87 cli=93 ws=2 php=5
\core\event\question_created cli=12
\core\event\role_assigned web=1 cli=66 restore=44 copied=2
\core\event\role_unassigned cli=1 copied=1
\core\event\user_created cli=46
\core\event\user_enrolment_created web=1 cli=66 restore=44 copied=2
\core\event\user_enrolment_deleted cli=1 copied=1
\core\event\user_graded web=148 cli=24 ws=14 as=2 php=10
\core\event\user_loggedin web=112 php=32
\core\event\user_loggedinas web=1 as=1
\core\event\user_loggedout web=10
\core\event\user_login_failed web=1
\core\event\user_profile_viewed web=30
\core\event\webservice_function_called ws=11 php=1
\gradereport_user\event\grade_report_viewed web=30
\mod_assign\event\assessable_submitted web=34 php=3
\mod_assign\event\course_module_viewed web=157 php=12
\mod_assign\event\feedback_viewed web=2 php=2
\mod_assign\event\grading_table_viewed web=1
\mod_assign\event\submission_confirmation_form_viewed web=4
\mod_assign\event\submission_form_viewed web=36 php=3
\mod_assign\event\submission_graded web=5 ws=7 php=1
\mod_assign\event\submission_status_viewed web=76 php=6
\mod_book\event\chapter_viewed web=34 copied=1 php=6
\mod_book\event\course_module_viewed web=34 copied=1 php=6
\mod_choice\event\answer_created web=10 copied=1 php=3
\mod_choice\event\course_module_viewed web=26 copied=2 php=7
\mod_feedback\event\course_module_viewed web=12 anonymous=7 php=1
\mod_feedback\event\response_submitted web=12 anonymous=7 php=1
\mod_forum\event\assessable_uploaded web=42 ws=1 copied=13 as=1 php=6
\mod_forum\event\course_module_viewed web=38 copied=14 as=2 php=10
\mod_forum\event\discussion_created web=18 ws=1 copied=7 as=1 php=5
\mod_forum\event\discussion_subscription_created web=31 ws=1 copied=7 as=1 php=5
\mod_forum\event\discussion_viewed web=61 copied=9 php=2
\mod_forum\event\post_created web=23 copied=6 php=1
\mod_forum\event\post_deleted web=2
\mod_forum\event\post_updated web=1
\mod_glossary\event\course_module_viewed web=15 copied=1 php=5
\mod_glossary\event\entry_created web=16 copied=1 php=5
\mod_lesson\event\course_module_viewed web=9 php=3
\mod_lesson\event\lesson_ended web=9 php=3
\mod_lesson\event\lesson_started web=9 php=3
\mod_lesson\event\page_created cli=3
\mod_lesson\event\question_answered web=9 php=3
\mod_lesson\event\question_viewed web=9 php=3
\mod_page\event\course_module_viewed web=112 ws=1 copied=13 as=1 php=7
\mod_quiz\event\attempt_regraded web=22
\mod_quiz\event\attempt_reviewed web=78 as=2 php=6
\mod_quiz\event\attempt_started web=41 as=1 php=3
\mod_quiz\event\attempt_submitted web=39 cli=1 as=1 php=3
\mod_quiz\event\attempt_summary_viewed web=82 as=2 php=6
\mod_quiz\event\attempt_updated web=41 as=1 php=3
\mod_quiz\event\attempt_viewed web=41 as=1 php=3
\mod_quiz\event\course_module_viewed web=43 copied=1 as=1 php=3
\mod_quiz\event\report_viewed web=6
\mod_quiz\event\slot_created cli=12
\mod_url\event\course_module_viewed web=25
\mod_wiki\event\page_created web=1
\tool_recyclebin\event\category_bin_item_created cli=1
\tool_recyclebin\event\category_bin_item_deleted cli=1
"""

_MARKS = ("anonymous", "as", "php")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One event's share: ``weight`` rows of this ``origin`` were counted; the others are probabilities per row."""

    event: str
    origin: str | None
    weight: int
    anonymous: float
    logged_in_as: float
    php: float


def shares() -> tuple[Share, ...]:
    """The mix, one share per event and origin."""
    found: list[Share] = []
    for line in _COUNTED.strip().splitlines():
        event, *words = line.split()
        counts = {key: int(value) for key, value in (word.split("=") for word in words)}
        origins = {key: value for key, value in counts.items() if key not in _MARKS}
        total = sum(origins.values())
        anonymous, logged_in_as, php = (counts.get(mark, 0) / total for mark in _MARKS)
        found.extend(
            Share(
                event=event,
                origin=None if origin == "copied" else origin,
                weight=weight,
                anonymous=anonymous,
                logged_in_as=logged_in_as,
                php=php,
            )
            for origin, weight in origins.items()
        )
    return tuple(found)
