"""The facts of what learners write: posts, answers, texts and files handed in. Texts themselves are never facts."""

from __future__ import annotations

from agent.config.factentry import POSTS, FactEntry

_FORUMS = ("forum.posted",)
_TEXTS = ("forum.posted", "assignment.submitted")
_TEXT_TABLES = ("forum_posts", "assignsubmission_onlinetext")

WRITTEN: tuple[FactEntry, ...] = (
    FactEntry(
        name="word_count",
        kinds=_FORUMS,
        type="int",
        unit="words",
        sample="28",
        tables=("forum_posts", "forum_discussions"),
        meaning="the post's words, as Moodle counted them",
    ),
    FactEntry(
        name="char_count",
        kinds=_FORUMS,
        type="int",
        unit="characters",
        sample="142",
        tables=("forum_posts", "forum_discussions"),
        meaning="the post's characters, as Moodle counted them",
    ),
    FactEntry(
        name="is_reply",
        kinds=_FORUMS,
        type="bool",
        unit="",
        sample="true",
        suppliers=POSTS,
        meaning="a reply, not the first post of a discussion",
    ),
    FactEntry(
        name="reply_to",
        kinds=_FORUMS,
        type="text",
        unit="",
        sample="35",
        tables=_TEXT_TABLES,
        condition=False,
        meaning="who wrote the post that was answered",
    ),
    FactEntry(
        name="text_digest",
        kinds=_TEXTS,
        type="text",
        unit="",
        sample="9f2c41d07a53be18",
        tables=_TEXT_TABLES,
        condition=False,
        meaning="a keyed digest of what was written: the same text gives the same, and nothing leads back to it",
    ),
    FactEntry(
        name="text_sketch",
        kinds=_TEXTS,
        type="text",
        unit="",
        sample="",
        tables=_TEXT_TABLES,
        condition=False,
        meaning="a small keyed sketch of what was written, for texts that are nearly the same",
    ),
    FactEntry(
        name="files",
        kinds=("assignment.submitted",),
        type="int",
        unit="files",
        sample="1",
        tables=("assignsubmission_file",),
        meaning="how many files were handed in",
    ),
    FactEntry(
        name="post",
        kinds=("forum.*",),
        type="text",
        unit="",
        sample="",
        tables=("forum_discussions",),
        condition=False,
        meaning="the post (of a discussion its first), a scope of once_per",
    ),
    FactEntry(
        name="discussion",
        kinds=("forum.posted",),
        type="text",
        unit="",
        sample="",
        condition=False,
        meaning="the discussion a reply stands in: deleting it undoes the reply too",
    ),
)
