"""What is to be told of people's names: those that were looked up, held against what was told before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2s

from agent.ledger.centre.called import Due, Intent
from wire.people.names import fits


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Plan:
    """What to ``tell``, who is called the ``same`` as before, and who could not be looked up and comes ``later``."""

    tell: tuple[Intent, ...]
    same: tuple[Due, ...]
    later: tuple[Due, ...]


def planned(
    people: Sequence[Due], found: Mapping[int, str], unknown: Collection[int], *, said_by: str, now: int, after: int
) -> Plan:
    """What becomes of ``people``.

    ``found`` are names by person, ``unknown`` those whose LMS did not answer. Each telling is later than any before
    it, and than ``after``: of two the catalogue keeps the later.
    """
    tell: list[Intent] = []
    same: list[Due] = []
    later: list[Due] = []
    for one in people:
        if one.person_no in unknown and not one.barred:
            later.append(one)
            continue
        name = "" if one.barred else found.get(one.person_no, "")
        name = name if fits(name) else ""
        digest = digest_of(one.secret, said_by, name) if name else ""
        if digest == one.digest and one.acked:
            same.append(one)
        else:
            again = digest == one.digest and one.told_at > after
            told_at = one.told_at if again else max(now, one.told_at + 1, after + 1)
            tell.append(Intent(due=one, name=name, digest=digest, told_at=told_at))
    return Plan(tell=tuple(tell), same=tuple(same), later=tuple(later))


def digest_of(secret: bytes, said_by: str, name: str) -> str:
    """What is kept of a name: it says whether another is the same one, and with the secret gone nothing at all."""
    return blake2s(f"{said_by}\0{name}".encode(), key=secret, person=b"name", digest_size=16).hexdigest()
