"""A draw that anyone can repeat: a list that is fixed first, a seed that nobody chose, numbers from SHA-256. Pure.

List: a line `<pseudonym> <tickets>` for each participant, in the order of their bytes. Seed: SHA-256 of the chain's
hash at the end of the batch that holds the announcement, and of the signature of the catalogue's receipt for it.
Round n (from 1): the first eight hex digits of SHA-256 of the text `<seed in hex>:<n>` are a number below 2^32. Where
it is not below the largest multiple of the tickets that are left, the round is passed over; else the rest of its
division by those tickets is the number of a ticket, counted from 0 along the list. Who holds it has won, and their line
is struck.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

SeedOf = Literal["receipt", "chain"]
"""Of the receipt's signature and the chain, or of the chain alone, which whoever runs the agent can steer."""

HEX_DIGITS = 8
NUMBERS = 16**HEX_DIGITS
_LINE = re.compile(r"([!-~]{1,100}) ([1-9][0-9]{0,9})")
_ANNOUNCED = re.compile(
    r"draw (\S+): ([1-9][0-9]*) to win, ([0-9]+) taking part, ([0-9]+) tickets, seed of the (receipt|chain),"
    r" list sha256 ([0-9a-f]{64})(?:; (.*))?",
    re.DOTALL,
)


class MalformedDrawError(ValueError):
    """This is no list or no announcement of a draw; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What is fixed before the seed: the ``run``, how many win, what the seed is of, the list by its SHA-256 (hex)."""

    run: str
    winners: int
    participants: int
    tickets: int
    digest: str
    seed: SeedOf
    note: str = ""

    def text(self) -> str:
        """As it stands in the entry's reason."""
        said = (
            f"draw {self.run}: {self.winners} to win, {self.participants} taking part, {self.tickets} tickets,"
            f" seed of the {self.seed}, list sha256 {self.digest}"
        )
        return f"{said}; {self.note}" if self.note else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One number: which ticket of ``left`` it hit (None: passed over) and who held it."""

    number: int
    digits: str
    value: int
    left: int
    ticket: int | None
    winner: str


def announcement(text: str) -> Announcement:
    """Read an announcement.

    Raises:
        MalformedDrawError: it is none.
    """
    found = _ANNOUNCED.fullmatch(text)
    if found is None:
        message = "not the announcement of a draw"
        raise MalformedDrawError(message)
    run, winners, participants, tickets, seed_of, digest, note = found.groups()
    return Announcement(
        run=run,
        winners=int(winners),
        participants=int(participants),
        tickets=int(tickets),
        digest=digest,
        seed="receipt" if seed_of == "receipt" else "chain",
        note=note or "",
    )


def list_text(tickets: Mapping[str, int]) -> str:
    """The list: pseudonym → tickets (each at least 1)."""
    return "".join(f"{name} {tickets[name]}\n" for name in sorted(tickets, key=str.encode))


def list_of(text: str) -> dict[str, int]:
    """The participants of a list, in its order.

    Raises:
        MalformedDrawError: a line is not `<pseudonym> <tickets>`, or out of order.
    """
    found: dict[str, int] = {}
    for line in text.splitlines():
        read = _LINE.fullmatch(line)
        if read is None:
            message = f"{line[:80]!r} is not `<pseudonym> <tickets>`"
            raise MalformedDrawError(message)
        found[read[1]] = int(read[2])
    if list_text(found) != text:
        message = "the list is not in the order of its bytes, or names somebody twice"
        raise MalformedDrawError(message)
    return found


def digest(text: str) -> str:
    """What an announcement says of a list: SHA-256 in hex."""
    return sha256(text.encode()).hexdigest()


def seed(head: bytes, signature: bytes) -> str:
    """The seed in hex; without a signature, of the chain alone."""
    return sha256(head + signature).hexdigest()


def rounds(of: str, tickets: Mapping[str, int], winners: int) -> list[Round]:
    """Every round of a draw with the seed ``of``, passed over or not, until ``winners`` have won or nobody is left."""
    left = {name: tickets[name] for name in sorted(tickets, key=str.encode)}
    found: list[Round] = []
    won = 0
    while left and won < winners:
        number = len(found) + 1
        digits = sha256(f"{of}:{number}".encode()).hexdigest()[:HEX_DIGITS]
        value, total = int(digits, 16), sum(left.values())
        ticket = value % total if value < NUMBERS - NUMBERS % total else None
        winner = "" if ticket is None else _holder(left, ticket)
        if winner:
            del left[winner]
            won += 1
        found.append(Round(number=number, digits=digits, value=value, left=total, ticket=ticket, winner=winner))
    return found


def _holder(left: Mapping[str, int], ticket: int) -> str:
    passed = 0
    for name, tickets in left.items():
        passed += tickets
        if ticket < passed:
            return name
    return ""
