"""Forum posts: a discussion counts as its first post; lengths as Moodle counted them, else counted here."""

from __future__ import annotations

from agent.collectors.lengths import letters_in, words_in
from agent.collectors.moodlews.facts.batch import Batch, Look, number_of
from agent.collectors.moodlews.shapes import Post

REPLY = r"\mod_forum\event\post_created"
BEGUN = r"\mod_forum\event\discussion_created"
OPEN_REPLY = r"\mod_hsuforum\event\post_created"
OPEN_BEGUN = r"\mod_hsuforum\event\discussion_created"
_FEEDS = ("word_count", "char_count", "tags")


async def forums(batch: Batch) -> None:
    """Name the post of every new discussion; lengths and tags of new posts where they are wanted."""
    for look in batch.looks:
        if look.kind == "forum.tagged":
            await _author(batch, look)
        number = number_of(look.seen.object_id)
        if number is not None and look.seen.lms_event in {OPEN_REPLY, OPEN_BEGUN}:
            await _open(batch, look, number)
        if number is None or look.seen.lms_event not in {REPLY, BEGUN}:
            continue
        if look.seen.lms_event == BEGUN:
            post = await batch.answers.first_post(number) if batch.wants("post", *_FEEDS) else None
        else:
            post = await batch.answers.post(number) if batch.wants(*_FEEDS) else None
        if post is not None:
            _note(batch, look, post)
        elif batch.wants(*_FEEDS):
            batch.owe(look)  # posted from a transaction that is not over yet


def _note(batch: Batch, look: Look, post: Post) -> None:
    look.post = str(post.id)
    # Forums that show no lengths do not tell them.
    if batch.wants("word_count"):
        look.facts["word_count"] = words_in(post.message) if post.words is None else post.words
    if batch.wants("char_count"):
        look.facts["char_count"] = letters_in(post.message) if post.characters is None else post.characters
    if batch.wants("tags") and post.tags is not None:
        look.facts["tags"] = post.tags


async def _open(batch: Batch, look: Look, number: int) -> None:
    """A post of Open Forum is found among those of its discussion."""
    begun = look.seen.lms_event == OPEN_BEGUN
    discussion = number if begun else number_of(str(look.seen.facts.get("discussion", "")))
    if discussion is None or not (batch.wants(*_FEEDS) or (begun and batch.wants("post"))):
        return
    posts = await batch.answers.open_posts(discussion)
    if posts is None:
        return  # it is another forum's site, or does not tell
    post = next((one for one in posts.values() if one.parent is None), None) if begun else posts.get(number)
    if post is not None:
        _note(batch, look, post)
    else:
        batch.owe(look)


async def _author(batch: Batch, look: Look) -> None:
    """The author of the post that was tagged is whom the tag is about; of what cannot be read nobody is."""
    number = number_of(look.post)
    post = await batch.answers.post(number) if number is not None else None
    if post is not None and post.author is not None:
        look.people |= {"subject": str(post.author), "author": str(post.author)}
    else:
        batch.owe(look)
