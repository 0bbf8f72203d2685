"""What a catalogue keeps for an agent against the loss of its disk, and how the agent asks for it back.

Persons travel sealed: nobody but the holder of the campus's recovery key can open them. Batches come back as the very
bytes that were sent, each with its receipt.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wire import canonical, entry
from wire.batch import BATCH_BYTES_MAX
from wire.canonical import MalformedError
from wire.receipt import ANSWER_BYTES_MAX

FORMAT = 1
CONTENT_TYPE = "application/json"
HISTORY_TYPE = "application/jsonl"
PERSONS_MAX = 500
"""Most sealed persons in one message."""
SEALED_BYTES_MAX = 4096
MESSAGE_BYTES_MAX = 4 * 2**20
HISTORY_BYTES_MAX = BATCH_BYTES_MAX + ANSWER_BYTES_MAX + 64 * 2**10
"""A batch, its receipt, and the headers that sign the receipt."""
FIRST = "-"
"""Where a listing of persons begins: before every name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A person under a pseudonym, sealed to the campus's recovery key."""

    name: str
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Persons:
    """Sealed persons of one agent to keep (or, from the catalogue, that are kept), and those to forget for ever."""

    campus: str
    agent: str
    persons: tuple[Sealed, ...]
    gone: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "v": FORMAT,
                "kind": "persons",
                "campus": self.campus,
                "agent": self.agent,
                "persons": {one.name: base64.b64encode(one.sealed).decode() for one in self.persons},
                "gone": list(self.gone),
            }
        )

    @classmethod
    def parse(cls, body: bytes) -> Persons:
        """Read one; persons come in the order of their names.

        Raises:
            MalformedError: it is not one, or holds more than one message may.
        """
        fields = canonical.message(body, "persons", form=FORMAT, bytes_max=MESSAGE_BYTES_MAX)
        persons, gone = fields.get("persons"), fields.get("gone")
        if not isinstance(persons, dict) or not isinstance(gone, list):
            raise MalformedError("field 'persons' must be an object and 'gone' a list")
        if len(persons) + len(gone) > PERSONS_MAX:
            raise MalformedError(f"{len(persons) + len(gone)} persons are more than {PERSONS_MAX} in one message")
        return cls(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            persons=tuple(Sealed(name=_name(name), sealed=_sealed(text)) for name, text in persons.items()),
            gone=tuple(_name(name) for name in gone),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """An agent goes on from its restored history: ``epoch`` begins after entry ``seq`` with ``head`` (32 bytes)."""

    campus: str
    agent: str
    epoch: int
    seq: int
    head: bytes

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "v": FORMAT,
                "kind": "takeover",
                "campus": self.campus,
                "agent": self.agent,
                "epoch": self.epoch,
                "seq": self.seq,
                "head": self.head.hex(),
            }
        )

    @classmethod
    def parse(cls, body: bytes) -> Takeover:
        """Read one.

        Raises:
            MalformedError: it is not one.
        """
        fields = canonical.message(body, "takeover", form=FORMAT, bytes_max=MESSAGE_BYTES_MAX)
        return cls(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            epoch=canonical.whole(fields, "epoch", least=1),
            seq=canonical.whole(fields, "seq"),
            head=canonical.octets(fields, "head"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One batch as it was received, and the receipt that was given for it with the header lines that sign it."""

    receipt: bytes
    signature: Mapping[str, str]
    batch: bytes

    def encode(self) -> bytes:
        """Receipt, signature, then the batch's own lines."""
        return b"\n".join((self.receipt, canonical.dump(self.signature), self.batch))

    @classmethod
    def parse(cls, body: bytes) -> Page:
        """Take one apart; neither receipt nor batch is looked into.

        Raises:
            MalformedError: it is not one.
        """
        receipt, found, rest = body.partition(b"\n")
        signature, also, batch = rest.partition(b"\n")
        if not (found and also):
            raise MalformedError("a page of history has a receipt, its signature and a batch")
        lines = canonical.load(signature, what="the receipt's signature")
        if not all(isinstance(value, str) for value in lines.values()):
            raise MalformedError("the receipt's signature is not header lines")
        return cls(receipt=receipt, signature=lines, batch=batch)


def _name(value: object) -> str:
    return canonical.called({"name": value}, "name")


def _sealed(value: object) -> bytes:
    text = canonical.text({"sealed": value}, "sealed", most=2 * SEALED_BYTES_MAX)
    try:
        sealed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("a sealed person is not base64") from None
    if len(sealed) > SEALED_BYTES_MAX:
        raise MalformedError(f"a sealed person of {len(sealed)} bytes is more than {SEALED_BYTES_MAX}")
    return sealed


SumKey = tuple[str, str, str]
"""(day of the act in UTC as 2026-09-01, rule, currency)."""


def add_up(bodies: Iterable[bytes]) -> dict[SumKey, tuple[int, int]]:
    """(how many, how much) of entries by day, rule and currency; an entry that cannot be read is counted under "?"."""
    found: dict[SumKey, tuple[int, int]] = {}
    for body in bodies:
        try:
            fields = entry.decode(body)
            key, amount = key_of(fields), fields["amount"]
        except entry.MalformedEntryError:
            key, amount = ("?", "?", "?"), 0
        count, total = found.get(key, (0, 0))
        found[key] = count + 1, total + amount
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What the catalogue's stored bytes come to after entry ``after``, up to the last of ``heads`` in ``epoch``.

    ``heads`` are the chain's hashes by the last seq of each batch, recomputed from the bytes; ``sums`` are of posted
    entries, ``aside`` counts those that move nothing. No batch at all: that is the end.
    """

    after: int
    epoch: int
    heads: Mapping[int, bytes]
    sums: Mapping[SumKey, tuple[int, int]]
    aside: int

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "v": FORMAT,
                "kind": "sums",
                "after": self.after,
                "epoch": self.epoch,
                "heads": [[seq, head.hex()] for seq, head in self.heads.items()],
                "sums": [[*key, *value] for key, value in sorted(self.sums.items())],
                "aside": self.aside,
            }
        )

    @classmethod
    def parse(cls, body: bytes) -> Sums:
        """Read one.

        Raises:
            MalformedError: it is not one.
        """
        fields = canonical.message(body, "sums", form=FORMAT, bytes_max=MESSAGE_BYTES_MAX)
        try:
            heads = {int(seq): bytes.fromhex(head) for seq, head in fields["heads"]}
            sums = {
                (str(day), str(rule), str(currency)): (int(count), int(total))
                for day, rule, currency, count, total in fields["sums"]
            }
        except (KeyError, TypeError, ValueError):
            raise MalformedError("the sums cannot be read") from None
        aside = canonical.whole(fields, "aside")
        after, epoch = canonical.whole(fields, "after"), canonical.whole(fields, "epoch")
        return cls(after=after, epoch=epoch, heads=heads, sums=sums, aside=aside)


def key_of(fields: Mapping[str, Any]) -> SumKey:
    """Under what the fields of an entry are counted."""
    try:
        day = datetime.fromtimestamp(fields["occurred_at"], UTC).strftime("%Y-%m-%d")
    except (OverflowError, OSError, ValueError):
        day = "?"
    return day, fields["rule"], fields["currency"]
