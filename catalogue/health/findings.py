"""What `rewards-catalogue doctor` can find: each fault by its code, with meaning and remedy; what the books tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from catalogue.errors import CatalogueError
from catalogue.health.figures import Books
from catalogue.redemption.states import State
from catalogue.store.scrubbing import Left
from machine.words import counted, size

Level = Literal["ok", "look", "fail"]

CAMPUS = "CAMPUS"
"""In a remedy: whichever it is."""
NAMED_MAX = 5
"""As many campuses are named in one finding."""
LATE_S = 600
"""An order that has been due for longer is taken by no server."""


class Fault(NamedTuple):
    """What a code means, and what is done first."""

    means: str
    do: str


FAULTS: Mapping[str, Fault] = {
    "configuration-invalid": Fault("catalogue.toml has faults or is not there", "correct the lines that are named"),
    "data-directory-open": Fault("other users of the machine may look into the data directory", "`chmod 700` as told"),
    "key-unusable": Fault(
        "the key that signs receipts is missing, or others may read it", "put back your copy of catalogue.ed25519"
    ),
    "database-unusable": Fault("the database does not answer, or has another schema", "as told"),
    "database-read-only": Fault(
        "the database takes no writes: it is a replica, or a primary that was given up; agents and learners wait",
        "unless a replica is what you meant to ask: lead `[database] url` to the primary, or make this one the primary",
    ),
    "vouchers-unreadable": Fault(
        "`vouchers.key` opens no voucher of the books", "put back your copy, then: systemctl reload rewards-catalogue"
    ),
    "server-away": Fault("nobody answers at `status_listen`", "systemctl status rewards-catalogue"),
    "server-unready": Fault("the server says that it is not ready", "as told"),
    "disk-nearly-full": Fault("little room is left on the disk of the data directory", "make room"),
    "backup-old": Fault(
        "no backup was ever made, or the last one is older than `backup_within`",
        "every night: systemctl enable --now rewards-catalogue-backup.timer; at once: rewards-catalogue backup --to"
        ' DIR; where something else copies the database: backup_within = "off"',
    ),
    "erased-in-files": Fault(
        "learners were erased from a table of more than 64 MB, or from one that somebody kept open for a day: whoever"
        " reads the database's files may find them there",
        "in a quiet hour: rewards-catalogue scrub",
    ),
    "agents-silent": Fault(
        "active agents were not heard for a day", "rewards-catalogue agent list CAMPUS says which; call the campus"
    ),
    "put-back": Fault(
        "a backup was put back and agents were not heard since: what they delivered after it is missing, and whom they"
        " erased after it is known again, until they tell it, which they do by themselves",
        "rewards-catalogue agent list CAMPUS says which; call the campus",
    ),
    "entries-set-aside": Fault(
        "entries move nothing until somebody accepts them", "rewards-catalogue entry list CAMPUS says which and why"
    ),
    "links-held": Fault(
        "agents contradict each other about who is who",
        "rewards-catalogue wallet links CAMPUS --held says about whom, and what to type where one of them is lost",
    ),
    "orders-late": Fault(
        "orders to partners are due and no server takes them", "look for job_failed in the server's log; restart it"
    ),
    "orders-unknown": Fault(
        "orders got no answer, and nobody may ask twice",
        "rewards-catalogue redemption list CAMPUS --state unknown, then rewards-catalogue partner reconcile",
    ),
    "partners-resting": Fault(
        "partners get no orders: they failed, or are paused", "rewards-catalogue partner list says which; call them"
    ),
}
"""Codes do not change between versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: how it is, what was found, what to do; ``code`` is one of `FAULTS`, or empty.

    ``exit_code`` is what a failure ends the command with.
    """

    about: str
    level: Level
    found: str
    code: str = ""
    do: str = ""
    exit_code: int = 1

    def told(self) -> dict[str, str]:
        """What of it is for people and programs."""
        return {"about": self.about, "level": self.level, "code": self.code, "found": self.found, "do": self.do}


def well(about: str, found: str) -> Finding:
    """Nothing is wrong with it."""
    return Finding(about=about, level="ok", found=found)


def look_at(about: str, code: str, found: str, where: Sequence[tuple[str, int]] = ()) -> Finding:
    """Somebody should look; ``where`` are the campuses with how much of it each has: the first is in the remedy."""
    do = FAULTS[code].do
    if where:
        named = ", ".join(f"{campus} ({count})" for campus, count in where[:NAMED_MAX])
        more = f" and {counted(len(where) - NAMED_MAX, 'other', 'others')}" if len(where) > NAMED_MAX else ""
        found, do = f"{found}: {named}{more}", do.replace(CAMPUS, where[0][0])
    return Finding(about=about, level="look", code=code, found=found, do=do)


def failed(about: str, code: str, exc: CatalogueError) -> Finding:
    """An error as a finding."""
    do = exc.hint or FAULTS[code].do
    return Finding(about=about, level="fail", code=code, found=exc.message, do=do, exit_code=exc.exit_code)


def of_books(
    books: Books,
    *,
    now: int,
    backup_within_s: int | None,
    places: Mapping[str, Sequence[tuple[str, int]]] | None = None,
) -> Iterator[Finding]:
    """What the books say; times in seconds UTC. ``places`` are campuses by code (`figures.places`)."""
    where = places or {}
    if backup_within_s is not None:
        yield _backup(books.backup_at, now=now, within_s=backup_within_s)
    heard, silent = books.agents["heard"], books.agents["silent"]
    if silent:
        told = f"{silent} of {silent + heard} were not heard for a day"
        yield look_at("agents", "agents-silent", told, where.get("agents-silent", ()))
    else:
        yield well("agents", f"{counted(heard, 'was', 'were')} heard within a day")
    if books.unheard:
        told = f"{counted(books.unheard, 'agent was', 'agents were')} not heard since a backup was put back"
        yield look_at("restore", "put-back", told, where.get("put-back", ()))
    unknown = books.orders.get(State.unknown, 0)
    persons = ("person waits for somebody who knows them", "persons wait for somebody who knows them")
    asked = ("was never answered", "were never answered")
    waiting = (
        ("entries", "entries-set-aside", books.aside, ("is set aside", "are set aside"), "none is set aside"),
        ("links", "links-held", books.held, persons, "nobody waits"),
        ("orders", "orders-unknown", unknown, asked, "each has an answer, or will be asked for again"),
        (
            "partners",
            "partners-resting",
            books.resting,
            ("gets no orders now", "get no orders now"),
            "none is left alone",
        ),
    )
    for about, code, count, said, none in waiting:
        yield look_at(about, code, counted(count, *said), where.get(code, ())) if count else well(about, none)
    if books.order_late_s > LATE_S:
        yield look_at("courier", "orders-late", f"an order has been due for {_span(books.order_late_s)}")
    yield _of_files(books.left, now=now)


def _of_files(left: Sequence[Left], *, now: int) -> Finding:
    if not left:
        return well("erasures", "nobody who was erased is left in the database's files")
    listed = ", ".join(f"{one.name} ({size(one.bytes)}, for {_span(max(0, now - one.since))})" for one in left)
    return look_at("erasures", "erased-in-files", f"learners who were erased may be left in the files of {listed}")


def _backup(made_at: int, *, now: int, within_s: int) -> Finding:
    if not made_at:
        return look_at("backup", "backup-old", "none was ever made: a lost disk would take the books with it")
    age_s = max(0, now - made_at)
    found = f"the last one was made {_span(age_s)} ago"
    return look_at("backup", "backup-old", found) if age_s > within_s else well("backup", found)


def _span(seconds: int) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
