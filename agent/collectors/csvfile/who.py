"""What can be wrong with a person's name or e-mail address. Pure; every check names the remedy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib import resources

from agent.collectors.csvfile.cells import Problem

_NAME_MAX = 200
_PLAIN_NAME = re.compile(r"[A-Za-zÀ-ÖØ-öø-ſ .,'’\-]+")
"""Nearly every name in Latin letters: of those nothing more is asked than whether it has letters, and small ones."""
_IN_NAMES = frozenset("'’‘.,-‐‑()·・׳")
_NO_PART_OF_A_NAME = re.compile("C[cnos]|N[dlo]|P[cdefios]|S[ckmo]")
"""Unicode's general categories: controls, numbers, punctuation, signs."""
_EMOJI = re.compile("[\u2600-\u27bf\U0001f000-\U0010ffff]")
_SHORT = len("Ann")
"""Letters of a name that may well be all capitals: initials, Li."""
_ADDRESS_MAX = 254
_LOCAL_MAX = 64
_LOCAL = re.compile(r"[^\s@.,:;<>()\[\]\\\"]+(?:\.[^\s@.,:;<>()\[\]\\\"]+)*")
"""What may stand before the @: words with single dots between them."""
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+({_LABEL})")
_WORD = r"[a-z0-9_+'-]+"
_PLAIN_MAIL = re.compile(rf"{_WORD}(?:\.{_WORD})*@(?:{_LABEL}\.)+({_LABEL})")
"""Nearly every address: if it is not too long and its end is known, nothing more is asked."""


def name(cell: str) -> Problem | None:
    """A person's name."""
    return next(_of_a_name(cell), None)


def _of_a_name(cell: str) -> Iterator[Problem]:
    if not cell:
        yield Problem("the name is empty", "fill it in, or leave the column out")
    if len(cell) > _NAME_MAX:
        yield Problem(f"the name is longer than {_NAME_MAX} characters", "check that the columns have not shifted")
    if not _PLAIN_NAME.fullmatch(cell):
        if _EMOJI.search(cell):
            yield Problem("the name holds an emoji", "take it out")
        if any(sign not in _IN_NAMES and _NO_PART_OF_A_NAME.match(unicodedata.category(sign)) for sign in cell):
            yield Problem("the name holds digits or signs", "check that the columns have not shifted")
    if not any(sign.isalpha() for sign in cell):
        yield Problem("the name has no letters", "write the name, or leave the column out")
    if cell.isupper() and sum(sign.isalpha() for sign in cell) > _SHORT:
        yield Problem("the name is all capitals", "write it as the person does")


def mail(cell: str) -> Problem | None:
    """An e-mail address."""
    plain = _PLAIN_MAIL.fullmatch(cell) if len(cell) <= _LOCAL_MAX else None
    return None if plain is not None and plain[1] in top_level_domains() else next(_of_an_address(cell), None)


def _of_an_address(cell: str) -> Iterator[Problem]:
    if not cell:
        yield Problem("the e-mail address is empty", "fill it in, or leave the column out")
    if any(sign.isspace() for sign in cell):
        yield Problem("the e-mail address holds a space", "take it out")
    local, _, domain = cell.rpartition("@")
    count = cell.count("@")
    if count != 1:
        yield Problem("the e-mail address has no @" if not count else f"the e-mail address has {count} @", "correct it")
    if len(cell) > _ADDRESS_MAX or len(local) > _LOCAL_MAX or not _LOCAL.fullmatch(local):
        yield Problem("what stands before the @ is no name of a mailbox", "look for a dot or a sign too many")
    found = _DOMAIN.fullmatch(_in_ascii(domain.lower()))
    if found is None:
        yield Problem("the e-mail address has no valid domain", "correct what stands behind the @")
    elif found[1] not in top_level_domains():
        yield Problem(f"there is no domain that ends in .{found[1][:24]}", "correct the end of the e-mail address")
    if cell != cell.lower():
        yield Problem("the e-mail address has capitals", "write it in small letters")


def _in_ascii(domain: str) -> str:
    """A domain as it stands in the Internet's tables; nothing where it cannot stand there."""
    try:
        return domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        return ""


@cache
def top_level_domains() -> frozenset[str]:
    """The ends that a domain may have, in small letters; those in other scripts as `xn--…`."""
    text = resources.files(__package__).joinpath("top_level_domains.txt").read_text(encoding="utf-8")
    return frozenset(name for line in text.splitlines() if not line.startswith("#") for name in line.split())
