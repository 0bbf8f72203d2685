"""What stands around a post on its way: it is taken off before the post is kept, and says nothing of what was done.

What is no such wrapping, or a broken one, stays as it is: its system's mapping says what is wrong with it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

_JWT = re.compile(rb"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")
_JWT_BEGINS = b"eyJ"
"""`{"` in Base64."""
_PART = re.compile(rb"\s*--([^\r\n]{1,70}?)[ \t]*\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
"""The first part of a multipart body (RFC 2046) as far as its content: its boundary, and its headers."""


def claims(body: bytes) -> bytes:
    """What a signed payload (JWT) holds, alone or as a JSON text.

    Its signature is not looked at: it is made with a key that all customers of the vendor have in common, so that it
    tells none of them from another. Whoever posts is let in by the token of the source.
    """
    text = body.strip().strip(b'"')
    found = _JWT.fullmatch(text) if text.startswith(_JWT_BEGINS) else None
    if found is None:
        return body
    try:
        return base64.urlsafe_b64decode(found[1] + b"=" * (-len(found[1]) % 4))
    except (binascii.Error, ValueError):
        return body


def first_part(body: bytes) -> bytes:
    """The first part of a multipart body: what is posted; the others are files that belong to it."""
    head = _PART.match(body)
    if head is None:
        return body
    end = re.compile(rb"\r?\n--" + re.escape(head[1]) + rb"(?:--)?[ \t]*(?:\r?\n|$)").search(body, head.end() - 1)
    return body if end is None else body[head.end() : end.start()]


WRAPPED: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType({"canvas": claims, "xapi": first_part})
"""How posts of a kind of source are taken out of their wrapping; those of the others come as they are."""
