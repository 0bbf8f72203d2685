"""One act of a learner, as far as measures look at it."""

from __future__ import annotations

from dataclasses import dataclass

LESSON = "lesson.completed"
ENROLLED = "course.enrolled"
COMPLETED = "course.completed"
POSTED = "forum.posted"
UNPOSTED = ("forum.post_deleted", "forum.discussion_deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """``at`` is seconds UTC, ``day`` the institution's as `date.toordinal` has it.

    ``what`` tells lessons (for a post: posts) apart, ``own`` that the learner did it and nobody for them. ``in_time``
    is whether it was within the recommended window, None where nothing says so; ``praised`` that a post is constructive
    by a tag or a rating.
    """

    learner: str
    kind: str
    at: int
    day: int
    own: bool = True
    course: str = ""
    what: str = ""
    in_time: bool | None = None
    praised: bool = False
