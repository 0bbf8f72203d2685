"""What may be said: messages, comments and tags, bounded, and without what reaches a person elsewhere. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from catalogue.errors import RefusedError

MESSAGE_CHARS_MAX = 500
COMMENT_CHARS_MAX = 300
TAG_CHARS_MAX = 31
SAID_CHARS_MAX = TAG_CHARS_MAX + 2 + MESSAGE_CHARS_MAX
_TAG = re.compile(r"[^\W_][\w-]*")
_SPACES = re.compile(r"[^\S\n]+")
_REACHES = {
    "an e-mail address": re.compile(r"\S@\S"),
    "a web address": re.compile(r"://|\bwww\.", re.IGNORECASE),
    "a long number": re.compile(r"(?:\d[ ./()-]?){9,}"),
}
"""What leads to a person or away from here: neither belongs into a kind word."""


class Said(NamedTuple):
    """Kudos as somebody typed them: ``#helpful Thank you`` is a tag and a message."""

    tag: str
    text: str


def said(typed: str) -> Said:
    """Take apart what was typed; the tag comes first.

    Raises:
        RefusedError: it begins with no tag.
    """
    first, _, rest = typed.strip().partition(" ")
    if not first.startswith("#"):
        raise RefusedError(400, "tag", "begin with a tag: #helpful Thank you for your notes")
    return Said(tag(first), rest.strip())


def tag(typed: str) -> str:
    """A tag as it is kept: ``#Team-Work`` is team-work.

    Raises:
        RefusedError: it is none.
    """
    plain = unicodedata.normalize("NFKC", typed.strip().removeprefix("#")).casefold()
    if not _TAG.fullmatch(plain) or len(plain) > TAG_CHARS_MAX:
        raise RefusedError(400, "tag", f"a tag is one word of letters, digits, - and _, at most {TAG_CHARS_MAX}")
    return plain


def text(typed: str, *, most: int) -> str:
    """A message or a comment as it is kept; spaces at the ends and doubled ones go.

    Raises:
        RefusedError: it is too long, or holds what cannot be shown or does not belong there.
    """
    if len(typed) > 2 * most:
        raise RefusedError(400, "text", f"at most {most} characters")
    lines = unicodedata.normalize("NFC", typed.replace("\r\n", "\n")).split("\n")
    plain = "\n".join(_SPACES.sub(" ", line).strip() for line in lines).strip()
    if len(plain) > most:
        raise RefusedError(400, "text", f"at most {most} characters")
    if not _can_be_shown(plain):
        raise RefusedError(400, "text", "there are characters in it that cannot be shown")
    for what, pattern in _REACHES.items():
        if pattern.search(plain):
            raise RefusedError(400, "text", f"there is {what} in it: leave it out")
    return plain


def _can_be_shown(plain: str) -> bool:
    """No control characters, nothing that turns the direction of what follows, nothing that is no character."""
    joiners = "\n\u200d\ufe0f"  # what emoji are joined with
    return all(one in joiners or unicodedata.category(one) not in {"Cc", "Cf", "Cs", "Co", "Cn"} for one in plain)
