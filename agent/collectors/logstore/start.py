"""Where reading begins: at the first connection, and after an administrator accepted that the log was rewound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.collectors.logstore.identity import verified
from agent.collectors.logstore.options import LogstoreOptions
from agent.collectors.logstore.reading.stretch import Reader
from agent.errors import ConfigError, IntegrityError
from agent.model import Anchor, SourceState

_BOUNDS = "SELECT (SELECT MIN(id) FROM {log}), (SELECT MAX(id) FROM {log})"
_SINCE = "SELECT MIN(id) FROM {log} WHERE timecreated >= ?"
_SPAN = "SELECT MIN(id), MAX(id), MIN(timecreated), MAX(timecreated), COUNT(*) FROM {log}"
_AFTER = "SELECT COUNT(*) FROM {log} WHERE timecreated >= ?"
_BEHIND = "SELECT COUNT(*) FROM {log} WHERE id > ?"


async def first_state(reader: Reader, options: LogstoreOptions, now: int) -> SourceState:
    """Payment's beginning resolved, and the position that lies safely before it. ``now`` is the agent's clock.

    Rows committed late may appear below the newest id, so `now` and a date start a named overlap lower; what is older
    than the beginning is only counted.

    Raises:
        ConfigError: this very log was read under another name, and all of it would be paid once more.
    """
    for name, anchors in options.left.items():
        if await _is_the_same(reader, name, anchors):
            raise ConfigError(
                f"{options.place}: this log was read as {name!r} until now: all would be paid again as other learners",
                hint=f'add site = "{name}", and it goes on where it stood (or the `site` that {name!r} had)',
            )
    schema, overlap = reader.database.schema, options.limits.start_overlap_ids
    ((oldest, newest),) = await reader.ask(schema.query(_BOUNDS))
    if options.start_at == "beginning":
        return SourceState(start_at=0, position=_kept(0, oldest, overlap))
    if options.start_at == "now":
        return SourceState(start_at=now, position=_kept((newest or 0) - overlap, oldest, overlap))
    return SourceState(start_at=options.start_at, position=await _before(reader, options.start_at, oldest, newest))


async def again_from(reader: Reader, state: SourceState) -> SourceState:
    """The state of a ledger that came back without its position, placed before the beginning of payment."""
    ((oldest, newest),) = await reader.ask(reader.database.schema.query(_BOUNDS))
    return replace(state, position=await _before(reader, state.start_at or 0, oldest, newest))


async def _before(reader: Reader, start_at: int, oldest: int | None, newest: int | None) -> int:
    overlap = reader.limits.start_overlap_ids
    ((since,),) = await reader.ask(reader.database.schema.query(_SINCE, start_at))
    first = newest or 0 if since is None else since - 1
    return _kept(first - overlap, oldest, overlap)


def _kept(position: int, oldest: int | None, overlap: int) -> int:
    """Not among the ids that retention removed long ago; in a young log from its first id on."""
    begin = oldest - 1 if oldest is not None and oldest > overlap else 0
    return max(position, begin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewind:
    """What the log looks like now, and the state that reads it again.

    Ids and times are None where the log is empty; ``rows_to_read`` is how many rows are not older than ``start_at``,
    when payment began: they are read again, and what was paid before is recognised and not paid twice. Where the log is
    ``the_same`` again (the server that is read stands at its address once more), reading goes on where it stood.
    """

    source: str
    first_id: int | None
    last_id: int | None
    first_at: int | None
    last_at: int | None
    rows: int
    start_at: int
    rows_to_read: int
    state: SourceState
    the_same: bool = False


async def rewind(reader: Reader, name: str, stored: SourceState, now: int) -> Rewind:
    """The preview and the fresh state of `source accept-rewind`; nothing is changed by asking."""
    schema = reader.database.schema
    start_at = stored.start_at if stored.start_at is not None else now
    span, after, behind = await reader.ask_all(
        [schema.query(_SPAN), schema.query(_AFTER, start_at), schema.query(_BEHIND, stored.position)]
    )
    first_id, last_id, first_at, last_at, rows = span[0]
    the_same = await _is_the_same(reader, name, stored.anchors)
    return Rewind(
        source=name,
        first_id=first_id,
        last_id=last_id,
        first_at=first_at,
        last_at=last_at,
        rows=rows,
        start_at=start_at,
        rows_to_read=behind[0][0] if the_same else after[0][0],
        the_same=the_same,
        state=replace(stored, fault="")
        if the_same
        else SourceState(
            position=_kept(0, first_id, reader.limits.start_overlap_ids),
            start_at=start_at,
            running_s=stored.running_s,
            proven_at=now,
            counts=stored.counts,
        ),
    )


async def _is_the_same(reader: Reader, name: str, anchors: Sequence[Anchor]) -> bool:
    """Whether every row that is remembered stands where it stood."""
    try:
        kept = await verified(reader, anchors, name)
    except IntegrityError:
        return False
    return bool(kept)
