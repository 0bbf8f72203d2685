"""The statement: what a catalogue did to the wallets of one agent's learners, as a chain that it writes and signs.

A page is one header line, then each line of the statement. Pages follow one another: each names the number and the
head it goes on from, and the head it ends in. Numbers are those of the central ledger, so they have gaps; heads do not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wire import canonical, chain
from wire.canonical import MalformedError

FORMAT = 1
CONTENT_TYPE = "application/jsonl"
LINES_MAX = 500
"""Most lines in one page."""
PAGE_BYTES_MAX = 2**20
"""Largest page an agent reads, in bytes."""
REF_CHARS_MAX = 300
BEHIND = "behind"
"""Why there is no page: the catalogue does not reach as far as it was asked for (it was set back)."""
HISTORY = "history"
"""Why there is no page: what was stated up to there is something else here."""
ACCEPTED = "accepted"
"""The kind of a line that says: this entry, set aside before, counts from here on."""
WAIVER = "waiver"
"""The kind of a line that says how much of what an entry took back nobody owes."""

_KIND = re.compile(r"[a-z]{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One movement that no entry tells: it moved the wallet by ``amount`` + ``waived``, smallest units.

    ``kind`` is spend, expiry, refund, `WAIVER` or `ACCEPTED`, or one of a newer catalogue. ``ref`` is its name; of a
    waiver and an accepted entry the entry's. ``about`` is the lot or the spend that it concerns. ``after`` is the
    newest entry of this wallet that was posted before, or empty; entries are named ``<agent>/<entry_id>``. Times are
    seconds UTC: ``posted_at`` is the centre's date, ``occurred_at`` when it happened.
    """

    no: int
    posted_at: int
    learner: str
    currency: str
    kind: str
    amount: int
    waived: int
    ref: str
    about: str
    after: str
    occurred_at: int

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "no": self.no,
                "posted_at": self.posted_at,
                "learner": self.learner,
                "currency": self.currency,
                "kind": self.kind,
                "amount": self.amount,
                "waived": self.waived,
                "ref": self.ref,
                "about": self.about,
                "after": self.after,
                "occurred_at": self.occurred_at,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a page says about itself.

    It holds all lines with numbers above ``after`` up to ``upto``; ``previous`` and ``head`` (32 bytes each) are the
    chain's before and after them. At ``at`` (the catalogue's clock) the agent's entries were posted up to ``seq``;
    ``more`` says that lines beyond ``upto`` wait. ``why`` is empty, or says why there is no page; then ``upto`` and
    ``head`` are where the catalogue stands, as far as it can say.
    """

    campus: str
    agent: str
    after: int
    upto: int
    previous: bytes
    head: bytes
    seq: int
    at: int
    more: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page taken apart: its header, the header's own bytes, and each line with its bytes."""

    header: Header
    header_body: bytes
    lines: tuple[tuple[Line, bytes], ...]


def encode(header: Header, lines: Sequence[bytes]) -> bytes:
    """The exact bytes of a page."""
    fields = {
        "v": FORMAT,
        "kind": "statement",
        "campus": header.campus,
        "agent": header.agent,
        "after": header.after,
        "upto": header.upto,
        "previous": header.previous.hex(),
        "head": header.head.hex(),
        "seq": header.seq,
        "at": header.at,
        "more": header.more,
        "why": header.why,
    }
    return b"\n".join([canonical.dump(fields), *lines, b""])


def parse(body: bytes) -> Page:
    """Read a page: numbers rise within its range, and the chain over its lines ends in the head it names.

    Raises:
        MalformedError: it is no page.
    """
    if len(body) > PAGE_BYTES_MAX or not body.endswith(b"\n"):
        raise MalformedError(f"a page of the statement ends its last line and has at most {PAGE_BYTES_MAX} bytes")
    header_body, *bodies = body.split(b"\n")[:-1]
    header = _header(canonical.load(header_body, what="the statement's header"))
    if len(bodies) > LINES_MAX:
        raise MalformedError(f"{len(bodies)} lines are more than {LINES_MAX} in one page")
    lines = tuple((read_line(each), each) for each in bodies)
    numbers = [header.after, *(line.no for line, _ in lines)]
    if numbers != sorted(set(numbers)) or (not header.why and header.upto < numbers[-1]):
        raise MalformedError("the statement's lines are not in the order of their numbers, or beyond their range")
    if not header.why and chain.head(header.previous, bodies) != header.head:
        raise MalformedError("the chain over the statement's lines does not end in the head that the page names")
    return Page(header=header, header_body=header_body, lines=lines)


def read_line(body: bytes) -> Line:
    """Read one line.

    Raises:
        MalformedError: it is none.
    """
    fields = canonical.load(body, what="a line of the statement")
    kind = canonical.text(fields, "kind")
    if not _KIND.fullmatch(kind):
        raise MalformedError("field 'kind' must be 1 to 20 small letters")
    return Line(
        no=canonical.whole(fields, "no", least=1),
        posted_at=canonical.whole(fields, "posted_at"),
        learner=canonical.text(fields, "learner"),
        currency=canonical.text(fields, "currency"),
        kind=kind,
        amount=_signed(fields, "amount"),
        waived=_signed(fields, "waived"),
        ref=canonical.text(fields, "ref", most=REF_CHARS_MAX),
        about=canonical.text(fields, "about", most=REF_CHARS_MAX, empty=True),
        after=canonical.text(fields, "after", most=REF_CHARS_MAX, empty=True),
        occurred_at=_signed(fields, "occurred_at"),
    )


def _header(fields: dict[str, Any]) -> Header:
    canonical.version(fields, FORMAT)
    if fields.get("kind") != "statement" or not isinstance(fields.get("more"), bool):
        raise MalformedError("the answer is not a page of the statement")
    after = canonical.whole(fields, "after")
    return Header(
        campus=canonical.called(fields, "campus"),
        agent=canonical.called(fields, "agent"),
        after=after,
        upto=canonical.whole(fields, "upto"),
        previous=canonical.octets(fields, "previous"),
        head=canonical.octets(fields, "head"),
        seq=canonical.whole(fields, "seq"),
        at=canonical.whole(fields, "at"),
        more=fields["more"],
        why=canonical.text(fields, "why", empty=True),
    )


def _signed(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > canonical.WHOLE_MAX:
        raise MalformedError(f"field {name!r} must be a whole number")
    return value
