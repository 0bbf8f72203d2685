"""A ledger brought back from the catalogue: asked for, proven, put together, and only then put in place."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.clock import Clock
from agent.config.settings import Settings
from agent.config.ways_in import SUFFIX
from agent.errors import ConfigError, IntegrityError, RewardsError
from agent.ledger import delivery, file
from agent.ledger.acts.journal import note_in
from agent.ledger.backup.restoring import set_aside
from agent.ledger.centre import called
from agent.ledger.delivery import Identity
from agent.ledger.record import erased
from agent.ledger.record.erased import Erased, Row
from agent.ledger.recovery import marks, persons
from agent.ledger.recovery.marks import Marks
from agent.ledger.recovery.persons import Known
from agent.ledger.recovery.rebuilding import Rebuilding
from agent.ledger.verify import verify
from agent.model import SourceState
from agent.outbox import enrol, succession
from agent.outbox.client import Client
from agent.outbox.recovery.asking import Asking
from agent.outbox.recovery.box import RecoveryKey
from agent.wiring.enrolling import client_of
from wire.receipt import Stand

UNPLACED = -1
"""The position of a log that is to be read again from where payment began."""
ADJUSTMENTS_TOLD_MAX = 100
_IDENTITY = (delivery.CAMPUS, delivery.AGENT, delivery.CATALOGUE_KEY)

Progress = Callable[[int, int], None]
"""(entries brought back, entries in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a ledger is to be brought back.

    ``token`` makes a machine known whose ledger is lost; ``key`` opens sealed persons; ``lose_persons`` goes on where
    nobody can tell whose some entries are.
    """

    token: str = ""
    key: RecoveryKey | None = None
    lose_persons: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back, where the files went that were there, and what to know."""

    agent: str
    epoch: int
    entries: int
    head: str
    persons: int
    strangers: int
    set_aside: Path | None
    by_hand: tuple[Mapping[str, object], ...]
    remarks: tuple[str, ...]


async def restore(
    settings: Settings, wanted: Wanted, *, clock: Clock, progress: Progress = lambda *_: None
) -> Restored:
    """Put what the catalogue acknowledged in place of the ledger, under a new epoch; the agent must not run.

    Raises:
        BusyError: an agent runs on the directory.
        ConfigError: no catalogue, no token where one is needed, a refusal, or persons that no key opens.
        TransientError: the catalogue cannot be reached; nothing was changed.
        IntegrityError: what it gave is not what was delivered; nothing was changed.
    """
    data_dir = settings.agent.data_dir
    client = client_of(settings, clock)
    if client is None:
        raise ConfigError(f"{settings.path} has no [catalogue]", hint="add it: the ledger comes back from there")
    file.prepare_directory(data_dir)
    with file.Lock(data_dir), _fresh(data_dir) as fresh:
        async with client:
            there = _there(data_dir)
            who = await _introduced(settings, wanted, client, there.settings, clock)
            who = await succession.followed(client, who)
            asking = Asking(client, who, clock)
            stand = await asking.stand()
            opened = await _opened(asking, wanted.key, who, there)
            filled = await _filled(settings, fresh, asking, stand, opened, who, clock, progress)
            _told_whose(filled, wanted, there)
            await asking.take_over(stand)
        by_hand = _by_hand(data_dir, fresh)
        file.mark_begun(data_dir)
        aside = set_aside(data_dir, clock.now(), ("ledger.db*",))
        (fresh / file.FILE_NAME).rename(file.ledger_path(data_dir))
    return Restored(
        agent=who.agent,
        epoch=stand.epoch + 1,
        entries=filled.seq,
        head=filled.head.hex(),
        persons=len(opened.known),
        strangers=len(filled.strangers),
        set_aside=aside,
        by_hand=by_hand,
        remarks=_remarks(settings, filled, opened),
    )


@contextlib.contextmanager
def _fresh(data_dir: Path) -> Iterator[Path]:
    """A directory beside the ledger to put the new one together in; gone at the end."""
    fresh = data_dir / ".restoring"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(mode=0o700)
        yield fresh
    except sqlite3.Error as exc:
        raise file.database_error(file.ledger_path(data_dir), exc) from exc
    except OSError as exc:
        raise file.directory_error(data_dir, exc) from exc
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _There:
    """What a ledger that is there can still tell: who this agent is, whom it knows, who was erased."""

    settings: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Known] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()
    marks_key: bytes = b""
    marks: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Opened:
    """Everybody by pseudonym, and the marks of those who were erased; without a key they recognise nobody."""

    known: Mapping[str, Known]
    marks_key: bytes
    marks: tuple[Row, ...]


def _there(data_dir: Path) -> _There:
    with contextlib.suppress(RewardsError, sqlite3.Error), file.reading(data_dir) as connection:
        settings = dict(connection.execute("SELECT key, value FROM setting"))
        return _There(
            settings={name: settings[name] for name in _IDENTITY if name in settings},
            known=persons.all_of(connection),
            erased=persons.erased_of(connection),
            marks_key=erased.of_ledger(connection).key,
            marks=erased.rows_of(connection),
        )
    return _There()


async def _introduced(
    settings: Settings, wanted: Wanted, client: Client, mine: Mapping[str, str], clock: Clock
) -> Identity:
    campus, environment = settings.agent.campus, settings.agent.environment
    if wanted.token:
        known = await enrol.introduce(wanted.token, client=client, campus=campus, environment=environment, clock=clock)
        return Identity(campus=campus, agent=known.agent, epoch=1, catalogue_public=known.catalogue_public)
    if len(mine) < len(_IDENTITY):
        raise ConfigError(
            f"nothing in {settings.agent.data_dir} says who this agent is to the catalogue",
            hint=f"ask its operator for a token (rewards-catalogue tenant token {campus} --agent NAME), then --token",
        )
    public = bytes.fromhex(mine[delivery.CATALOGUE_KEY])
    return Identity(campus=mine[delivery.CAMPUS], agent=mine[delivery.AGENT], epoch=1, catalogue_public=public)


async def _opened(asking: Asking, key: RecoveryKey | None, who: Identity, there: _There) -> _Opened:
    """Everybody as the ledger that is there knows them, and all that the recovery key opens, but for the erased."""
    kept = {one.name: one.sealed async for one in asking.persons()}
    found = {row[0]: row for row in there.marks}
    for name, body in kept.items():
        if name.startswith(persons.MARK) and name != persons.MARKS_KEY:
            row = persons.mark_row(name, body)
            found.setdefault(row[0], row)
    marks_key, known = there.marks_key, dict(there.known)
    if key is not None:
        sealed = kept.get(persons.MARKS_KEY)
        marks_key = marks_key or (b"" if sealed is None else key.open_bytes(sealed, campus=who.campus))
        known |= {
            name: key.open(sealed, campus=who.campus, pseudonym=name)
            for name, sealed in kept.items()
            if not name.startswith(persons.MARK)
        }
    rows = tuple(found.values())
    barred = Erased.of(marks_key, rows)
    left = {name: one for name, one in known.items() if not barred.was((one.site, one.lms_user), one.created_at)}
    return _Opened(known=left, marks_key=marks_key, marks=rows)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Since:
    """What the catalogue knows of after a backup was made.

    ``marks`` are of who was erased; ``seq`` is the last entry that it has, in a ``later`` history than the backup's
    where the agent came back from the catalogue meanwhile.
    """

    marks: tuple[Row, ...] = ()
    seq: int = 0
    later: bool = False


async def since(settings: Settings, copy: Path, clock: Clock) -> Since:
    """What the catalogue knows better than a backup that is put back where no ledger can tell.

    Raises:
        RewardsError: it cannot be asked, or the backup says of no agent.
    """
    client = client_of(settings, clock)
    with contextlib.closing(sqlite3.connect(file.read_only(copy / file.FILE_NAME), uri=True)) as connection:
        kept = dict(connection.execute("SELECT key, value FROM setting"))
    if client is None or not set(_IDENTITY) <= kept.keys():
        return Since()
    async with client:
        public = bytes.fromhex(kept[delivery.CATALOGUE_KEY])
        who = Identity(campus=kept[delivery.CAMPUS], agent=kept[delivery.AGENT], epoch=1, catalogue_public=public)
        asking = Asking(client, await succession.followed(client, who), clock)
        stand = await asking.stand()
        found = [one async for one in asking.persons()]
    marks = [one for one in found if one.name.startswith(persons.MARK) and one.name != persons.MARKS_KEY]
    return Since(
        marks=tuple(persons.mark_row(one.name, one.sealed) for one in marks),
        seq=stand.seq,
        later=stand.epoch > int(kept.get(delivery.EPOCH, 1)),
    )


async def _filled(
    settings: Settings,
    fresh: Path,
    asking: Asking,
    stand: Stand,
    opened: _Opened,
    who: Identity,
    clock: Clock,
    progress: Progress,
) -> Rebuilding:
    """The new ledger, whole and verified, in ``fresh``."""
    path = fresh / file.FILE_NAME
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        path.chmod(0o600)
        connection.execute("PRAGMA synchronous = FULL")
        file.migrate(connection, path)
        connection.execute("BEGIN IMMEDIATE")
        filled, newest = Rebuilding(connection, opened.known), Marks()
        async for found in asking.history(stand):
            filled.add(found.batch.entries, found.kept)
            header = found.batch.header
            newest = marks.parse(header.low_water, header.extra.get(marks.FIELD))
            progress(filled.seq, stand.seq)
        states = {name: _goes_on(settings, newest, name) for name in newest.low_water}
        kept = _settings(settings, stand, who, clock.now())
        filled.finish(kept, states, newest.scheduled.items(), now=clock.now())
        if opened.marks_key:
            erased.carry(connection, opened.marks_key, opened.marks)
        about = {"from": "catalogue", "epoch": stand.epoch + 1, "entries": filled.seq}
        note_in(connection, "restore", about, clock.now())
        connection.execute("COMMIT")
        report = verify(connection)
    if report.findings or report.head != stand.head.hex():
        what = report.findings[0].what if report.findings else "its head is another one"
        raise IntegrityError(f"the ledger that came back does not hold: {what}", hint="nothing was changed; tell us")
    return filled


def _settings(settings: Settings, stand: Stand, who: Identity, now: int) -> dict[str, str]:
    return {
        delivery.CAMPUS: who.campus,
        delivery.AGENT: who.agent,
        delivery.EPOCH: str(stand.epoch + 1),
        delivery.CATALOGUE_KEY: who.catalogue_public.hex(),
        delivery.CATALOGUE_KEYS: " ".join(key.hex() for key in who.catalogue_keys),
        delivery.CATALOGUE_URL: "" if settings.catalogue is None else str(settings.catalogue.url),
        "environment": settings.agent.environment,
        called.TOLD_AS: called.UNKNOWN,
        f"restored:{now}": json.dumps({"entries": stand.seq, "head": stand.head.hex(), "epoch": stand.epoch}),
    }


def _goes_on(settings: Settings, newest: Marks, source: str) -> tuple[SourceState, int]:
    """Where a source goes on, and up to where its acts are only recognised.

    A log is read again from where payment began: acts up to the mark are compared with what was paid, those behind it
    are decided. What a state table tells is compared with all of them. Posts that were not delivered are gone.
    """
    low = newest.low_water[source]
    start_at, high_water = newest.sources.get(source, (None, 0))
    if source.endswith(SUFFIX):
        return SourceState(position=low, start_at=start_at, high_water=high_water), 0
    if source in {log.name for log in settings.log_sources} and start_at is not None:
        return SourceState(position=UNPLACED, start_at=start_at), low
    return SourceState(position=low, start_at=start_at, high_water=high_water), 0


def _told_whose(filled: Rebuilding, wanted: Wanted, there: _There) -> None:
    if filled.strangers - there.erased and wanted.key is None and not wanted.lose_persons:
        raise ConfigError(
            f"nobody here knows who {len(filled.strangers - there.erased)} of the catalogue's pseudonyms are",
            hint="give the campus's recovery key: --recovery-key FILE; only where it is lost for good: --lose-persons",
        )


def _by_hand(data_dir: Path, fresh: Path) -> tuple[dict[str, object], ...]:
    """What people did by hand in the ledger that is there, and the catalogue never got: it is to be done again."""
    found: list[dict[str, object]] = []
    with contextlib.suppress(RewardsError, sqlite3.Error), file.reading(data_dir) as old, file.reading(fresh) as new:
        for seq, body, hash_ in old.execute("SELECT seq, body, hash FROM entry ORDER BY seq DESC"):
            row = new.execute("SELECT hash FROM entry WHERE seq = ?", (seq,)).fetchone()
            if (row is not None and row[0] == hash_) or len(found) >= ADJUSTMENTS_TOLD_MAX:
                break
            fields = json.loads(body)
            if not fields.get("event_ref"):
                names = ("entry_id", "kind", "learner", "currency", "amount", "reason", "reverses")
                found.append({name: fields.get(name, "") for name in names})
    return tuple(reversed(found))


def _remarks(settings: Settings, filled: Rebuilding, opened: _Opened) -> tuple[str, ...]:
    told = [
        "what waited in the review list is no entry: for acts of before, see: rewards-agent rules backfill",
        "who opted out and had earned nothing is not known: opt them out again before the agent starts",
    ]
    posting = [source.name for source in settings.post_sources]
    if posting and not (settings.agent.data_dir / "inbox.db").exists():
        told.append(
            f"posts to {', '.join(posting)} that were not delivered are lost: a system without a log is not read again"
        )
    if filled.strangers:
        told.append(
            f"{len(filled.strangers)} pseudonyms lead to nobody (erased, or delivered without a recovery key): their"
            " entries stand, and if they act again they begin anew"
        )
    if filled.unmerged:
        told.append(
            f"{', '.join(filled.unmerged)} had been merged into another account, and the catalogue never got the"
            " entries of it: each is its own again; see: rewards-agent learner merges --proposed"
        )
    if opened.marks and not opened.marks_key:
        told.append(
            f"{len(opened.marks)} accounts were erased, and without the recovery key nobody can tell which: erase them"
            " again before the agent starts (learner erase), or it takes them for new people"
        )
    return tuple(told)
