"""`rewards-agent import csv`: events or users from a file, checked first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

import typer

from agent.cli.frame import ConfigOption, EncodingOption, JsonOption, emit, emit_json, emit_one, note, settings_of
from agent.errors import InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    from agent.cli.importing.files import Paper
    from agent.collectors.csvfile.cells import Problem
    from agent.collectors.csvfile.checked import Chunk
    from agent.collectors.csvfile.ids import Ids
    from agent.collectors.csvfile.judging import Fault, Wanted
    from agent.collectors.csvfile.source import CsvFile
    from agent.collectors.csvfile.table import Layout
    from agent.config.settings import Settings

app = Application(no_args_is_help=True, help="Bring in what happened elsewhere: CSV files.")

SHOWN = 20
"""Faults that are shown; the others are counted, and a report has them all."""
ASKED_BYTES_MAX = 500_000
"""What a running agent is given at once."""
_COLUMNS = ("row", "column", "value", "problem", "remedy")
_COLUMN_OF = {"event": "event", "occurred_at": "time"}
"""Fields of canonical events that are cells of one column."""

Take = Callable[[Sequence[Any]], Mapping[int, tuple[str, "Problem"]]]
"""Takes events; what it refused: their places, each with its column and problem."""


@app.callback()
def imports() -> None:
    """Bring in what happened elsewhere."""


@app.command("csv")
def csv_file(  # noqa: PLR0917 - each is an option with a name of its own
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV file, with a heading.")],
    source: Annotated[
        str, typer.Option(metavar="NAME", help='The [[source]] of kind = "generic" that the learners belong to.')
    ] = "",
    apply: Annotated[
        bool, typer.Option("--apply", help="Import the good rows. Without it nothing is imported.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every bad cell into this CSV file.")
    ] = None,
    corrected: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the bad rows here, with what is wrong, to be corrected.")
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="The zone of times that name none.")] = "",
    courses: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A CSV file of course_id and lesson_id: what is known to exist.")
    ] = None,
    require_consent: Annotated[
        bool, typer.Option("--require-consent", help="A row counts only where its column consent says yes.")
    ] = False,
    ignore_column: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A column that is not looked at.")
    ] = None,
    mixed_ids: Annotated[
        bool,
        typer.Option("--mixed-ids", help="Learners' ids of several forms are meant: digits, text, leading zeros."),
    ] = False,
    from_row: Annotated[int, typer.Option(metavar="N", min=2, help="Go on at this row.")] = 2,
    delimiter: Annotated[
        str, typer.Option(metavar="SIGN", help="What stands between cells, where it is not found: a sign, or tab.")
    ] = "",
    encoding: EncodingOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Check a CSV file of events or of users cell by cell; with --apply import its good rows.

    Events have the columns event, distinct_id, time, and may have course_id, lesson_id, section_id, progress_pct,
    score_pct, time_on_task_sec, event_id, source. Users have distinct_id, and may have name, email, cohort,
    department, start_date, consent.

    The same row a second time changes nothing, so a file may be imported again after it was corrected. Exits with 1
    where a row was bad.

    Look first: rewards-agent import csv events.csv --source forms --report bad-cells.csv

    Then: rewards-agent import csv events.csv --source forms --apply
    """
    from agent.cli.importing.files import Paper
    from agent.collectors.csvfile import source as csv_source
    from agent.collectors.csvfile.ids import Ids
    from agent.collectors.csvfile.judging import Wanted
    from agent.collectors.csvfile.table import layout

    opened = csv_source.opened(file, encoding=encoding, delimiter=delimiter)
    found = layout(opened.columns, ignore=ignore_column or ())
    wanted = Wanted(now=int(time.time()), zone=zone_of(timezone), known=_known(courses), consent=require_consent)
    settings = _settings(config, source) if apply or source else None
    work = _Import(file=opened, found=found, wanted=wanted, ids=Ids.of(opened, found, mixed=mixed_ids))
    into = settings if apply else None
    with Paper(report, corrected, opened.columns, opened.delimiter) as paper, _taking(into, source) as take:
        work.run(take, paper, from_row)
    heading: dict[str, Any] = {
        "file": str(file),
        "rows of": found.sort,
        "encoding": opened.encoding,
        "delimiter": csv_source.called(opened.delimiter),
        "good rows": work.tally["good"],
        "bad rows": work.tally["bad"],
        "imported": work.tally["good"] if apply else 0,
        "last row": work.last,
    }
    remarks = [*work.ids.remarks(), *work.kinds.remarks()]
    if json:
        faults = [dict(zip(_COLUMNS, fault, strict=True)) for fault in work.shown]
        emit_json({**heading, "faults": faults, "remarks": remarks})
    else:
        _tell(heading, work.shown, work.tally, remarks, apply=apply)
    raise typer.Exit(1 if work.tally["bad"] else 0)


class _Import:
    """One run over a file: where good rows go, where bad ones are written, what it came to."""

    def __init__(self, *, file: CsvFile, found: Layout, wanted: Wanted, ids: Ids) -> None:
        from agent.collectors.csvfile.kinds import Kinds

        self.file = file
        self.found = found
        self.wanted = wanted
        self.ids = ids
        self.kinds = Kinds()
        self.tally: Counter[str] = Counter()
        self.shown: list[Fault] = []
        self.last = 1

    def run(self, take: Take, paper: Paper, from_row: int) -> None:
        """All rows from one on; Ctrl-C says where to go on."""
        from agent.cli.tuning.bar import bar
        from agent.collectors.csvfile.checked import chunks

        try:
            with bar("rows") as advance:
                for judged in chunks(self.file, self.found, self.wanted, self.ids, from_row=from_row):
                    chunk = judged.without(take(judged.events))
                    paper.add(chunk.faults, chunk.bad)
                    self._count(chunk)
                    advance(self.last, 0, f"{self.last:,} rows, {self.tally['bad']:,} bad")
        except KeyboardInterrupt:
            note(f"stopped behind row {self.last}; to go on: --from-row {self.last + 1}")
            raise

    def _count(self, chunk: Chunk) -> None:
        self.kinds.add((one.row, str(one.event["event"])) for one in chunk.good)
        self.shown.extend(chunk.faults[: max(0, SHOWN - len(self.shown))])
        self.tally.update(good=len(chunk.events), bad=len(chunk.bad), faults=len(chunk.faults))
        self.last = chunk.last


def _tell(
    heading: dict[str, Any], shown: Sequence[Fault], tally: Counter[str], remarks: Sequence[str], *, apply: bool
) -> None:
    emit([dict(zip(_COLUMNS, fault, strict=True)) for fault in shown], _COLUMNS, json=False, empty="no cell is wrong")
    if tally["faults"] > len(shown):
        note(f"… and {tally['faults'] - len(shown):,} more; --report FILE has them all")
    emit_one(heading, json=False)
    for remark in remarks:
        note(f"look: {remark}")
    if apply:
        note("a running agent reads them at once; else: rewards-agent run --until-caught-up")
    elif tally["good"]:
        note("nothing was imported: look at it, then again with --apply")


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of this name; None where there is no name.

    Raises:
        InvalidInputError: there is none.
    """
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # Europe is a folder of zones
        near = get_close_matches(name, sorted(available_timezones()), n=1)
        hint = f"did you mean {near[0]}?" if near else "such as Africa/Johannesburg"
        raise InvalidInputError(f"--timezone: there is no zone {name!r}", hint=hint) from error


def _known(path: Path | None) -> frozenset[tuple[str, str]] | None:
    """(course, lesson) pairs of a list, and each course with an empty lesson."""
    if path is None:
        return None
    from agent.collectors.csvfile import source as csv_source

    file = csv_source.opened(path)
    if "course_id" not in file.columns:
        raise InvalidInputError(f"{path}: column 'course_id' is missing", hint="its columns are course_id, lesson_id")
    places = [file.columns.index(name) if name in file.columns else -1 for name in ("course_id", "lesson_id")]
    pairs = [tuple(row[place].strip() if 0 <= place < len(row) else "" for place in places) for _, row in file.rows()]
    return frozenset((course, lesson) for course, one in pairs for lesson in ("", one))


def _settings(config: Path | None, source: str) -> Settings:
    settings = settings_of(config)
    generic = [one.name for one in settings.post_sources if one.kind == "generic"]
    if source not in generic:
        listed = f"config.toml has: {', '.join(generic)}" if generic else "config.toml has none"
        raise InvalidInputError(
            f"{source!r} is no source that takes imports" if source else "--source is missing",
            hint=f'name a [[source]] with kind = "generic"; {listed}',
        )
    return settings


@contextmanager
def _taking(settings: Settings | None, source: str) -> Iterator[Take]:
    """Where good rows go: to the running agent, or into the inbox under its lock; nowhere where nothing is applied."""
    if settings is None:
        yield lambda _events: {}
        return
    from agent.cli.access import reached
    from agent.collectors.csvfile.cells import Problem
    from machine.reaching import names

    with names.runner() as runner, reached(runner, settings) as carry_out:

        def take(events: Sequence[Any]) -> Mapping[int, tuple[str, Problem]]:
            refused = {}
            for first, piece in pieces(events):
                answer = carry_out("import.events", source=source, events=piece)
                for each in answer["refused"]:
                    problem = Problem(each["problem"], each["remedy"] or "correct it and import it again")
                    refused[first + each["event"]] = (_COLUMN_OF.get(each["field"], ""), problem)
            return refused

        yield take


def pieces(events: Sequence[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Events as many as may be asked at once, with the place of the first."""
    import orjson

    first, size = 0, 0
    for place, event in enumerate(events):
        more = len(orjson.dumps(event))
        if size + more > ASKED_BYTES_MAX:
            yield first, list(events[first:place])
            first, size = place, 0
        size += more
    if first < len(events):
        yield first, list(events[first:])
