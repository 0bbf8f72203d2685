"""`rewards-agent measures learners` and `courses`: the tables that a model in a BI tool joins acts with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, note
from agent.cli.measures.asked import LEAST_USUAL, CsvOption, LeastOption, asked, day_text, last_days
from agent.cli.measures.events import PseudonymsOption
from agent.cli.measures.reading import COURSE_FACTS
from machine.words import counted

if TYPE_CHECKING:
    from agent.cli.measures.asked import Asked
    from agent.cli.measures.reading import Read

LEARNER_COLUMNS = ("learner", "start_date", "last_date", "lessons", "courses", "courses_completed")
COURSE_COLUMNS = ("course", "shortname", "idnumber", "categories", "first_date", "learners", "completed")


def learners(
    *,
    pseudonyms: PseudonymsOption = False,
    fact: Annotated[
        list[str] | None,
        typer.Option("--fact", metavar="NAME", help="Besides: cohorts, or a fact of [person] such as department."),
    ] = None,
    csv: CsvOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List every learner of whom an act is recorded: since when, until when, lessons and courses.

    start_date is the day of the first enrolment that is recorded, else of the first act. --fact adds a column of what
    was last told of them: nothing of a profile is in the file that is not named here. Who takes no part is not listed.

    Example: rewards-agent measures learners --pseudonyms --fact cohorts --csv
    """
    with asked(config, last_days(1, None)) as found:
        facts = tuple(fact or ())
        found.read.require(facts)
        rows, left = _learners(found, facts, pseudonyms=pseudonyms)
    _emit(rows, (*LEARNER_COLUMNS, *facts), csv=csv, json=json)
    if left:
        note(f"left out: {counted(left, 'learner')} without a pseudonym yet")


def _learners(found: Asked, facts: tuple[str, ...], *, pseudonyms: bool) -> tuple[list[dict[str, Any]], int]:
    from agent.cli.measures.whose import known

    names = known(found.connection) if pseudonyms else {}
    rows: list[dict[str, Any]] = []
    everybody = found.read.past.learners
    for learner, mine in sorted(everybody.items()):
        if pseudonyms and learner not in names:
            continue
        rows.append(
            {
                "learner": names[learner].pseudonym if pseudonyms else learner,
                "start_date": day_text(mine.started),
                "last_date": day_text(mine.last),
                "lessons": len(mine.lessons),
                "courses": len(mine.places),
                "courses_completed": sum(place.completed > 0 for place in mine.places.values()),
                **{name: "; ".join(found.read.told.of(learner, name)) for name in facts},
            }
        )
    return sorted(rows, key=lambda row: str(row["learner"])), len(everybody) - len(rows)


def courses(
    *,
    least: LeastOption = LEAST_USUAL,
    csv: CsvOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List every course in which an act is recorded: its names as far as rules look at them, learners, completions.

    Its category is there where a rule has `audience = { categories = … }`; how it is taught only Moodle knows: join
    its own list of courses by the number. Counts of few learners are left out.

    Example: rewards-agent measures courses --csv
    """
    with asked(config, last_days(1, None)) as found:
        rows = list(_courses(found.read, least))
    _emit(rows, COURSE_COLUMNS, csv=csv, json=json)


def _courses(read: Read, least: int) -> Iterator[dict[str, Any]]:
    places: dict[str, list[Any]] = {}
    for mine in read.past.learners.values():
        for course, place in mine.places.items():
            places.setdefault(course, []).append(place)
    for course, there in sorted(places.items()):
        short, idnumber, categories = ("; ".join(read.told.of(course, name)) for name in COURSE_FACTS)
        yield {
            "course": course,
            "shortname": short,
            "idnumber": idnumber,
            "categories": categories,
            "first_date": day_text(min(place.first for place in there)),
            "learners": len(there) if len(there) >= least else None,
            "completed": sum(place.completed > 0 for place in there) if len(there) >= least else None,
        }


def _emit(rows: list[dict[str, Any]], columns: tuple[str, ...], *, csv: bool, json: bool) -> None:
    if json:
        emit_json(rows)
    elif csv:
        from agent.cli.terms.sheets import write_csv

        write_csv(rows, columns, sys.stdout.buffer)
    else:
        emit(rows, columns, json=False, empty="no act is recorded")
