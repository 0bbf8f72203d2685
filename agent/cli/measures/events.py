"""`rewards-agent events export`: every recorded act in canonical columns, for a BI tool, a notebook or Mixpanel."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import ConfigOption, note, settings_of
from agent.cli.measures.canonical import COLUMNS
from agent.cli.terms.inforce import SinceOption, UntilOption, rules_in_force, span_of
from agent.config.ways_in import configured
from machine.words import counted

if TYPE_CHECKING:
    from agent.cli.measures.whose import Whose
    from agent.cli.tuning.bar import Advance
    from agent.config.settings import Settings
    from agent.model import Event

Form = Literal["csv", "json", "mixpanel"]
PseudonymsOption = Annotated[
    bool, typer.Option("--pseudonyms", help="Learners as the catalogue knows them: nothing that leads back to them.")
]
_MOODLE = ("moodle-logstore", "tool-trigger", "moodle-ws")
NO_PSEUDONYM = "of nobody who has a pseudonym yet"
TIMES = "of a time that Mixpanel does not take"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which acts, and how: ``span`` is seconds UTC with its end excluded; empty texts are anything."""

    form: Form
    pseudonyms: bool
    kind: str
    source: str
    span: tuple[int, int]
    after: int

    def wants(self, event: Event) -> bool:
        """Whether it is of the kind and the source that are asked for."""
        seen = event.seen
        return fnmatchcase(seen.kind or seen.lms_event, self.kind or "*") and self.source in {
            "",
            configured(seen.source),
        }


class Told:
    """What was written and what was not: how many acts were left out by why, and the newest act that was looked at."""

    def __init__(self) -> None:
        self.written = 0
        self.left_out: Counter[str] = Counter()
        self.newest = 0


def export(
    *,
    form: Annotated[
        Form, typer.Option("--format", help="csv, json (a line for each act), or mixpanel (lines for its /import).")
    ] = "csv",
    pseudonyms: PseudonymsOption = False,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="Of one kind: quiz.submitted, forum.*")] = "",
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="As one [[source]] told them.")] = "",
    since: SinceOption = None,
    until: UntilOption = None,
    after: Annotated[int, typer.Option("--after", metavar="SEQ", min=0, help="Only acts after this seq.")] = 0,
    config: ConfigOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON list of all acts, for programs.")] = False,
) -> None:
    """Write the recorded acts to standard output, one row each, in the order in which they were recorded.

    What rules look at is recorded, and nothing else. Columns: seq, event_id, kind, occurred_at,
    learner, course, section, lesson, object, score_pct, progress_pct, time_on_task_sec, lms, site, source, trust,
    outcome, uncounted. Times are UTC; uncounted says why an act is none of a learner's (staff, a preview). What is
    recorded meanwhile is left to the next export: --after with the seq that is told at the end. Nothing is sent.

    With --pseudonyms the learner, the event_id and the object are such as leave the campus; acts of nobody who has a
    pseudonym yet are left out and counted. mixpanel is always so, and without what is uncounted. What somebody did who
    takes no part any more is never written.

    Example: rewards-agent events export --since 2026-09-01 > events.csv

    Example: rewards-agent events export --format mixpanel --after 20117 > events.ndjson
    """
    from agent.cli.measures.whose import Whose
    from agent.cli.tuning.bar import bar

    settings = settings_of(config)
    told = Told()
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        asked = Asked(
            form=form,
            pseudonyms=pseudonyms or form == "mixpanel",
            kind=kind,
            source=source,
            span=span_of(since, until, rulebook),
            after=after,
        )
        # Where the rows come on the same terminal a bar would stand between them.
        with bar("exporting", shown=not sys.stdout.isatty()) as advance:
            rows = _rows(connection, asked, Whose(connection, rulebook), _systems(settings), told, advance)
            _write(rows, sys.stdout.buffer, form, listed=json)
    _tell(told, goes_on=until is None)


def _systems(settings: Settings) -> dict[str, str]:
    """What stands behind each source, in a word."""
    return {one.name: "moodle" if one.kind in _MOODLE else one.kind for one in settings.sources}


def _rows(
    connection: sqlite3.Connection,
    asked: Asked,
    whose: Whose,
    systems: Mapping[str, str],
    told: Told,
    advance: Advance,
) -> Iterator[dict[str, Any]]:
    """Row after row of what was recorded when the first is asked for; no transaction is held open meanwhile."""
    from agent.cli.measures import canonical
    from agent.cli.measures import whose as about
    from agent.ledger.past import events

    now, upto = int(time.time()), events.last_event(connection)
    known = about.known(connection) if asked.pseudonyms else {}
    told.newest = max(asked.after, upto)
    for page in events.recorded(connection, after=asked.after, since=asked.span[0], until=asked.span[1]):
        said = events.outcomes(connection, page[0][0], page[-1][0])
        for number, event in page:
            if number > upto:
                return
            if not asked.wants(event):
                continue
            learner = whose.learner(event)
            why = whose.why_not(event, learner)
            mine = known.get(learner)
            if left := _left_out(
                asked, why, mine is not None, is_taken=canonical.is_taken(event.seen.occurred_at, now)
            ):
                told.left_out[left] += 1
                continue
            told.written += 1
            outcome = said[number].name if number in said else ""
            row = canonical.row(
                number, event, learner=learner, outcome=outcome, uncounted=why, systems=systems, known=mine
            )
            yield canonical.mixpanel(row, event.seen.occurred_at) if asked.form == "mixpanel" else row
        advance(page[-1][0], upto, "")


def _left_out(asked: Asked, why: str, known: bool, *, is_taken: bool) -> str:
    """Why an act is not written; nothing where it is."""
    from agent.cli.measures.whose import OUT

    if why == OUT:
        return f"of who {OUT}"
    if why and asked.form == "mixpanel":
        return f"uncounted ({why})"
    if asked.pseudonyms and not known:
        return NO_PSEUDONYM
    return TIMES if asked.form == "mixpanel" and not is_taken else ""


def _write(rows: Iterable[dict[str, Any]], out: BinaryIO, form: Form, *, listed: bool) -> None:
    from agent.cli.terms.sheets import write_csv, write_json_lines, write_json_list

    if listed:
        write_json_list(rows, out)
    elif form == "csv":
        write_csv(rows, COLUMNS, out)
    else:
        write_json_lines(rows, out)


def _tell(told: Told, *, goes_on: bool) -> None:
    """What was written, what was not and why, and where the next export begins."""
    left = "; ".join(f"{count} {why}" for why, count in sorted(told.left_out.items()))
    without = f", left out: {left}" if left else ""
    after = f"; next time: --after {told.newest}" if goes_on else ""
    note(f"{counted(told.written, 'act')} written{without}{after}")
