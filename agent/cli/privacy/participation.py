"""`rewards-agent learner opt-out` and `opt-in`: whether somebody takes part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ByOption, carry_out, ledger_of, reached
from agent.cli.frame import (
    ConfigOption,
    EncodingOption,
    JsonOption,
    emit,
    emit_json,
    emit_one,
    note,
    run_async,
    settings_of,
    utc,
)
from agent.cli.terms.inforce import rules_in_force, whoever
from agent.cli.terms.who import StudentArgument, aliases_in, person
from agent.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.cli.privacy.consents import Agreement
    from agent.collectors.csvfile.judging import Fault
    from agent.config.settings import Settings

SHOWN = 20
"""Faults that are shown."""
AT_ONCE = 500
"""Learners that are recorded in one transaction."""
_COLUMNS = ("row", "column", "value", "problem", "remedy")


def opt_out(student: StudentArgument, by: ByOption = "", config: ConfigOption = None, json: JsonOption = False) -> None:
    """Let somebody take no part from now on: what they do is not recorded, earns nothing and is in no ranking.

    Nor do they give or get kudos: the catalogue is told at once.

    What they have stays theirs; whoever wants that gone as well asks for `learner erase`.

    Example: rewards-agent learner opt-out ann@example.org --by "D. Protect"
    """
    learner, accounts = _whom(config, student)
    done = carry_out(config, "learner.opt-out", accounts=accounts, by=whoever(by))
    emit_one({"takes no part": learner, "from": utc(done["from"]), **_catalogue(done)}, json=json)


def opt_in(
    student: Annotated[
        str,
        typer.Argument(metavar="STUDENT", help="Username, idnumber, e-mail, LMS id, moodle:35 or pseudonym."),
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A CSV file of everybody who agreed, with a heading.")
    ] = None,
    source: Annotated[
        str, typer.Option(metavar="NAME", help="The [[source]] whose user ids the file names, where Moodle has none.")
    ] = "",
    encoding: EncodingOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at the file; change nothing.")] = False,
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Let somebody who agreed, or who took no part, earn from now on. What they did before stays unpaid.

    A file has a column learner, distinct_id, email, username or idnumber, and may have consent (yes or no). Bad rows
    are told by row and column, the good ones are recorded; then the exit code is 1. The same file a second time
    changes nothing.

    Kudos are a choice of their own: `kudos choose` says who sees them.

    Example: rewards-agent learner opt-in ann@example.org

    Look first: rewards-agent learner opt-in --file consents.csv --dry-run
    """
    if file is not None:
        if student:
            raise InvalidInputError("a student and a file are two things", hint="leave one of them out")
        settings = settings_of(config)
        read = run_async(_read(settings, config, file, encoding, source))
        _from_file(settings, file, *read, by=whoever(by), dry_run=dry_run, json=json)
        return
    if not student or dry_run or source or encoding:
        raise InvalidInputError(
            "--dry-run, --source and --encoding go with --file" if student else "nobody is named",
            hint="name a student, or a file: --file consents.csv",
        )
    learner, accounts = _whom(config, student)
    done = carry_out(config, "learner.opt-in", accounts=accounts, by=whoever(by))
    emit_one({"takes part": learner, "from": utc(done["from"])}, json=json)


def _from_file(
    settings: Settings,
    file: Path,
    good: Sequence[Agreement],
    bad: Sequence[Fault],
    *,
    by: str,
    dry_run: bool,
    json: bool,
) -> None:
    count = 0 if dry_run else _agreed(settings, good, by)
    heading = {"file": str(file), "good rows": len(good), "bad rows": len({one.row for one in bad}), "new": count}
    if json:
        emit_json({**heading, "faults": [dict(zip(_COLUMNS, fault, strict=True)) for fault in bad]})
    else:
        shown = [dict(zip(_COLUMNS, fault, strict=True)) for fault in bad[:SHOWN]]
        emit(shown, _COLUMNS, json=False, empty="no cell is wrong")
        if len(bad) > SHOWN:
            note(f"… and {len(bad) - SHOWN:,} more; --json has them all")
        emit_one(heading, json=False)
        if dry_run:
            note("nothing was changed: look at it, then again without --dry-run")
    raise typer.Exit(1 if bad else 0)


async def _read(
    settings: Settings, config: Path | None, file: Path, encoding: str, source: str
) -> tuple[list[Agreement], list[Fault]]:
    from agent.cli.privacy.consents import Consents, people_of

    with ledger_of(config) as connection:
        async with people_of(settings, connection, source) as people:
            return await Consents(file, encoding).read(people)


def _agreed(settings: Settings, good: Sequence[Agreement], by: str) -> int:
    """Record them, some at a time; how many accounts took no part before."""
    from machine.reaching import names

    count = 0
    with names.runner() as runner, reached(runner, settings) as ask:
        for at in range(0, len(good), AT_ONCE):
            accounts = [account for one in good[at : at + AT_ONCE] for account in one.accounts]
            count += ask("learner.opt-in", accounts=accounts, by=by, how="file")["accounts"]
    return count


def _catalogue(done: dict[str, Any]) -> dict[str, Any]:
    """Whether the catalogue was told, where there is one: kudos from and to this learner."""
    return {"catalogue": done["catalogue"]} if "catalogue" in done else {}


def _whom(config: Path | None, student: str) -> tuple[str, list[list[str]]]:
    """The learner meant, and all accounts of theirs."""
    from agent.ledger.privacy import holdings

    settings = settings_of(config)
    with ledger_of(config) as connection:
        site, _, user = student.partition(":")
        without_log = {one.site_name for one in settings.post_sources} - {one.site_name for one in settings.log_sources}
        if user and site in without_log:
            learner = aliases_in(connection).learner(student)
        else:
            file, _ = rules_in_force(settings, connection)
            learner = run_async(person(settings, connection, student, file)).learner
        return learner, [list(account) for account in holdings.accounts_of(connection, learner)]
