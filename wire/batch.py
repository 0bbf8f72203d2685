"""A batch as bytes: one header line, then each entry's stored bytes on a line of its own.

Nothing is re-serialised on the way: what was hashed into the chain is what is sent, signed and kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wire import canonical, chain
from wire.canonical import MalformedError

FORMAT = 1
CONTENT_TYPE = "application/jsonl"
BATCH_ENTRIES_MAX = 1000
"""Most entries in one batch."""
BATCH_BYTES_MAX = 4 * 2**20
"""Largest batch a catalogue reads, in bytes."""
HEADER_BYTES_MAX = 64 * 2**10
SOURCES_MAX = 500
"""Most sources whose low-water marks one batch may carry."""

_KNOWN = frozenset(
    ("v", "campus", "agent", "epoch", "first_seq", "last_seq", "previous", "head", "low_water", "environment")
)


class MalformedBatchError(MalformedError):
    """These bytes are not a batch this version can read; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a batch says about itself.

    ``previous`` and ``head`` are the chain's hashes before and after its entries, 32 bytes each. ``low_water`` maps
    source names to positions that will never be needed again. ``extra`` keeps fields of a newer version.
    """

    campus: str
    agent: str
    epoch: int
    first_seq: int
    last_seq: int
    previous: bytes
    head: bytes
    low_water: Mapping[str, int]
    environment: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A parsed batch: its header, the header's own bytes, each entry's stored bytes, and the digest of the whole."""

    header: Header
    header_body: bytes
    entries: tuple[bytes, ...]
    digest: bytes


def digest(body: bytes) -> bytes:
    """What a receipt names a batch by: SHA-256 of its exact bytes, 32 bytes."""
    return hashlib.sha256(body).digest()


def encode(header: Header, entries: Sequence[bytes]) -> bytes:
    """The exact bytes of a batch.

    Raises:
        MalformedBatchError: the header does not belong to these entries, or an entry holds a newline.
    """
    fields = dict(header.extra) | {
        "v": FORMAT,
        "campus": header.campus,
        "agent": header.agent,
        "epoch": header.epoch,
        "first_seq": header.first_seq,
        "last_seq": header.last_seq,
        "previous": header.previous.hex(),
        "head": header.head.hex(),
        "low_water": dict(header.low_water),
        "environment": header.environment,
    }
    if any(b"\n" in entry for entry in entries):
        raise MalformedBatchError("an entry holds a newline, so it is not canonical JSON")
    lines = [canonical.dump(fields), *entries, b""]
    _check_range(header, entries)
    return b"\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A batch whose header was read and whose entries were not: enough to know whether it came before."""

    header: Header
    header_body: bytes
    below: bytes
    digest: bytes

    def open(self) -> Batch:
        """The batch; the chain over its entries is recomputed, the entries themselves are not yet looked into.

        Raises:
            MalformedBatchError: counts or hashes do not fit.
        """
        entries = tuple(self.below.split(b"\n")[:-1])
        _check_range(self.header, entries)
        return Batch(header=self.header, header_body=self.header_body, entries=entries, digest=self.digest)


def envelope(body: bytes, *, bytes_max: int = BATCH_BYTES_MAX, entries_max: int = BATCH_ENTRIES_MAX) -> Envelope:
    """Read what a batch says about itself.

    Raises:
        MalformedBatchError: too large, cut short, or not canonical.
    """
    if len(body) > bytes_max:
        raise MalformedBatchError(f"{len(body)} bytes are more than the {bytes_max} of batch_bytes_max")
    if not body.endswith(b"\n"):
        raise MalformedBatchError("the last line is cut short")
    header_body, _, below = body.partition(b"\n")
    if len(header_body) > HEADER_BYTES_MAX:
        raise MalformedBatchError(f"a header of {len(header_body)} bytes is more than {HEADER_BYTES_MAX}")
    lines = below.count(b"\n")
    if lines > entries_max:
        raise MalformedBatchError(f"{lines} entries are more than the {entries_max} of batch_entries_max")
    return Envelope(header=_header(header_body), header_body=header_body, below=below, digest=digest(body))


def parse(body: bytes, *, bytes_max: int = BATCH_BYTES_MAX, entries_max: int = BATCH_ENTRIES_MAX) -> Batch:
    """Read a batch at once.

    Raises:
        MalformedBatchError: as for its `envelope`, or counts or hashes do not fit.
    """
    return envelope(body, bytes_max=bytes_max, entries_max=entries_max).open()


def _header(body: bytes) -> Header:
    try:
        fields = canonical.load(body, what="the header")
        canonical.version(fields, FORMAT)
        return Header(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            epoch=canonical.whole(fields, "epoch", least=1),
            first_seq=canonical.whole(fields, "first_seq", least=1),
            last_seq=canonical.whole(fields, "last_seq", least=1),
            previous=canonical.octets(fields, "previous"),
            head=canonical.octets(fields, "head"),
            low_water=_low_water(fields),
            environment=canonical.text(fields, "environment"),
            extra={name: value for name, value in fields.items() if name not in _KNOWN},
        )
    except MalformedBatchError:
        raise
    except MalformedError as exc:
        raise MalformedBatchError(str(exc)) from None


def _low_water(fields: Mapping[str, Any]) -> dict[str, int]:
    marks = fields.get("low_water")
    if not isinstance(marks, dict):
        raise MalformedBatchError("field 'low_water' must be an object of source: position")
    if len(marks) > SOURCES_MAX:
        raise MalformedBatchError(f"low-water marks of {len(marks)} sources are more than {SOURCES_MAX}")
    for source in marks:
        canonical.text({"source": source}, "source")
        canonical.whole(marks, source)
    return marks


def _check_range(header: Header, entries: Sequence[bytes]) -> None:
    """The counts and the hashes a header claims are those of the entries below it."""
    wanted = header.last_seq - header.first_seq + 1
    if wanted < 1 or len(entries) != wanted:
        raise MalformedBatchError(f"seq {header.first_seq} to {header.last_seq} is not {len(entries)} entries")
    if chain.head(header.previous, entries) != header.head:
        raise MalformedBatchError("the chain over these entries does not end in the head that the header names")
