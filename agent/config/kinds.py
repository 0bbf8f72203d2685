r"""Which LMS event is which kind: `\core\event\course_completed` → `course.completed`. Data, extended by `[[kind]]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class KindEntry:
    r"""One line of the table.

    ``lms_event`` is a full name, or with ``suffix`` an ending that stands for every component
    (``\event\course_module_viewed``); empty where only posts tell of the kind. ``when`` picks among kinds that share a
    name by a word the collector reads off the row: the completion state for completions, the grade item's type for
    grades (`outcome` where an outcome was rated, `cleared` where no grade is left).
    """

    kind: str
    lms_event: str = ""
    when: tuple[str, ...] = ()
    suffix: bool = False

    def names(self, lms_event: str) -> bool:
        """Whether rows of this full name are of this kind (where ``when`` picks them)."""
        if not self.lms_event:
            return False
        return lms_event.endswith(self.lms_event) if self.suffix else lms_event == self.lms_event


_COMPLETION = r"\core\event\course_module_completion_updated"
_SUBMISSION = r"\mod_assign\event\submission_status_updated"
_GRADED = r"\core\event\user_graded"

DELETED = "user.deleted"
"""An account is no more: from then on nothing of it earns, whichever way it comes."""

MOODLE: tuple[KindEntry, ...] = (
    KindEntry(kind="lesson.completed", lms_event=_COMPLETION, when=("1", "2")),
    KindEntry(kind="lesson.uncompleted", lms_event=_COMPLETION, when=("0",)),
    KindEntry(kind="lesson.failed", lms_event=_COMPLETION, when=("3", "4")),
    KindEntry(kind="course.completed", lms_event=r"\core\event\course_completed"),
    KindEntry(kind="quiz.submitted", lms_event=r"\mod_quiz\event\attempt_submitted"),
    KindEntry(kind="quiz.attempt_deleted", lms_event=r"\mod_quiz\event\attempt_deleted"),
    KindEntry(kind="quiz.regraded", lms_event=r"\mod_quiz\event\attempt_regraded"),
    KindEntry(kind="quiz.regraded", lms_event=r"\mod_quiz\event\attempt_manual_grading_completed"),
    KindEntry(kind="quiz.regraded", lms_event=r"\mod_quiz\event\question_manually_graded"),
    KindEntry(kind="assignment.submitted", lms_event=r"\mod_assign\event\assessable_submitted"),
    KindEntry(kind="assignment.withdrawn", lms_event=r"\mod_assign\event\submission_removed"),
    KindEntry(kind="assignment.withdrawn", lms_event=_SUBMISSION, when=("draft", "new")),
    KindEntry(kind="forum.posted", lms_event=r"\mod_forum\event\post_created"),
    KindEntry(kind="forum.posted", lms_event=r"\mod_forum\event\discussion_created"),
    KindEntry(kind="forum.posted", lms_event=r"\mod_hsuforum\event\post_created"),
    KindEntry(kind="forum.posted", lms_event=r"\mod_hsuforum\event\discussion_created"),
    KindEntry(kind="forum.post_deleted", lms_event=r"\mod_forum\event\post_deleted"),
    KindEntry(kind="forum.post_deleted", lms_event=r"\mod_hsuforum\event\post_deleted"),
    KindEntry(kind="forum.discussion_deleted", lms_event=r"\mod_forum\event\discussion_deleted"),
    KindEntry(kind="forum.discussion_deleted", lms_event=r"\mod_hsuforum\event\discussion_deleted"),
    KindEntry(kind="forum.tagged", lms_event=r"\core\event\tag_added", when=("forum_posts", "hsuforum_posts")),
    KindEntry(kind="grade.awarded", lms_event=_GRADED, when=("mod",)),
    KindEntry(kind="course.graded", lms_event=_GRADED, when=("course",)),
    KindEntry(kind="outcome.rated", lms_event=_GRADED, when=("outcome",)),
    KindEntry(kind="grade.deleted", lms_event=_GRADED, when=("cleared",)),
    KindEntry(kind="grade.deleted", lms_event=r"\core\event\grade_deleted"),
    KindEntry(kind="user.logged_in", lms_event=r"\core\event\user_loggedin"),
    KindEntry(kind="user.updated", lms_event=r"\core\event\user_updated"),
    KindEntry(kind=DELETED, lms_event=r"\core\event\user_deleted"),
    KindEntry(kind="course.enrolled", lms_event=r"\core\event\user_enrolment_created"),
    KindEntry(kind="course.unenrolled", lms_event=r"\core\event\user_enrolment_deleted"),
    KindEntry(kind="course.reset", lms_event=r"\core\event\course_reset_ended", when=("completion",)),
    KindEntry(kind="course.viewed", lms_event=r"\core\event\course_viewed"),
    KindEntry(kind="lesson.viewed", lms_event=r"\event\course_module_viewed", suffix=True),
    KindEntry(kind="badge.awarded", lms_event=r"\core\event\badge_awarded"),
    KindEntry(kind="badge.revoked", lms_event=r"\core\event\badge_revoked"),
    KindEntry(kind="survey.submitted", lms_event=r"\mod_feedback\event\response_submitted"),
)

WITHOUT_LMS_EVENT: tuple[str, ...] = (
    "forum.rated", "submission.received", "user.registered", "programme.completed", "challenge.completed",
    "course.progressed", "user.updated", "lead.created", "order.created", "order.refunded",
    "tag.added", "tag.removed", "certificate.awarded", "kudos.given", "kudos.revoked",
    "lesson.passed", "lesson.scored", "lesson.progressed", "lesson.started", "lesson.ended",
    "course.passed", "course.failed", "course.scored", "course.started", "course.ended", "lesson.satisfied",
    "course.satisfied", "statement.voided",
)  # fmt: skip
"""Kinds that no row of the log makes: read from state tables, from other sources, or made by the engine."""


BRING_FACTS_OF_THEIR_OWN = frozenset({"submission.received", "user.registered"})
"""Kinds whose posts carry whatever facts their form asks for: no table can list them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTable:
    """The table in force: Moodle's, with the entries of `[[kind]]` after it."""

    entries: tuple[KindEntry, ...] = MOODLE

    def extended(self, entries: Iterable[KindEntry]) -> KindTable:
        """This table with more entries."""
        return KindTable(entries=(*self.entries, *entries))

    def kind_of(self, lms_event: str, when: str = "") -> str | None:
        """The kind of a row, or None where no entry fits (rules can still name the LMS event itself)."""
        for entry in self.entries:
            if entry.names(lms_event) and (not entry.when or when in entry.when):
                return entry.kind
        return None

    def kinds(self) -> frozenset[str]:
        """Every kind there is."""
        return frozenset(entry.kind for entry in self.entries) | frozenset(WITHOUT_LMS_EVENT)

    def entries_for(self, pattern: str) -> tuple[KindEntry, ...]:
        """The LMS events whose kind a rule's `on` pattern (`lesson.completed`, `forum.*`) matches."""
        told = (entry for entry in self.entries if entry.lms_event)
        if "*" in pattern:
            return tuple(entry for entry in told if fnmatchcase(entry.kind, pattern))
        return tuple(entry for entry in told if entry.kind == pattern)

    def of_ones_own(self) -> frozenset[str]:
        """The kinds that only `[[kind]]` knows: whoever posts them says whatever facts there are."""
        built_in = {*WITHOUT_LMS_EVENT, *(entry.kind for entry in MOODLE)}
        return frozenset(entry.kind for entry in self.entries[len(MOODLE) :] if entry.kind not in built_in)


RETOLD: Mapping[str, tuple[str, ...]] = {
    "quiz.submitted": ("quiz.regraded",),
    "grade.awarded": ("grade.deleted",),
    "course.graded": ("grade.deleted",),
}
"""Kinds of events that tell an earlier act of a kind anew: an award for it that is to stay true is judged by them."""

DEFAULT_ONCE_PER: Mapping[str, str] = {
    "lesson.*": "lesson",
    "quiz.*": "lesson",
    "assignment.*": "lesson",
    "grade.awarded": "lesson",
    "outcome.rated": "lesson",
    "survey.*": "lesson",
    "course.*": "course",
    "forum.*": "post",
    "badge.awarded": "badge",
    "user.logged_in": "day",
    "programme.*": "programme",
}
"""once_per where a rule leaves it out; everything else is `event`."""
