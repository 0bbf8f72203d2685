"""`tenant import`: many campuses at once, from a sheet."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from catalogue.cli.common import Answer, Centre, Environment, Hours, act, iso, now, text_of
from machine.sheets import Table
from machine.words import counted

if TYPE_CHECKING:
    from catalogue.store import Store

COLUMNS = ("campus", "title", "environment")
TOKENS = ("campus", "token", "expires_at")
CAMPUSES_MAX = 10_000
AT_ONCE = 50
"""So many in one transaction: agents deliver in between."""
FAULTS_TOLD_MAX = 50
_BETWEEN = (",", ";", "\t")
"""What spreadsheets put between cells, by country."""


class Row(NamedTuple):
    """One campus of a sheet."""

    campus: str
    title: str
    environment: str


def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a header: campus,title,environment; - is stdin.")],
    hours: Hours = 72,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is wrong with it, and how many are new.")
    ] = False,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Make many campuses known and print each one's one-time token as CSV, or as JSON: keep it as a secret.

    Only campus is needed: title is a name for people, environment production or staging. A campus that is there
    already stays as it is and gets no token, so that a sheet that has grown can be given again. Every bad line is told,
    and then nothing is made known.

    Example: rewards-catalogue tenant import campuses.csv > tokens.csv
    """
    found = read(text_of(file))
    expires_at = now() + hours * 3600
    shown = None if answer.as_json or check else Table(sys.stdout, TOKENS)

    async def work(store: Store) -> list[dict[str, str]]:
        new = await _unknown(store, found)
        made: list[dict[str, str]] = []
        for at in range(0, 0 if check else len(new), AT_ONCE):
            page = await _make_known(centre, store, new[at : at + AT_ONCE], expires_at)
            if shown is not None:
                shown.rows(page)  # what was made is told before more is: nobody could read these tokens again
                sys.stdout.flush()
            made += page
        _tell(len(new), len(found) - len(new), check=check)
        return made

    made = centre.do(work)
    if answer.as_json:
        answer.show(made, lines=list)


def _tell(new: int, there: int, *, check: bool) -> None:
    verb = "would be" if check else "is" if new == 1 else "are"
    known = f", {there} {'was' if there == 1 else 'were'} there already" if there else ""
    typer.echo(f"{counted(new, 'campus', 'campuses')} {verb} new{known}", err=True)


def read(text: str) -> list[Row]:
    """The campuses of a sheet.

    Raises:
        CatalogueError: it has no header, is too long, or a line is no campus; every bad line is told.
    """
    from catalogue.errors import CatalogueError

    lines = text.removeprefix("\ufeff").splitlines()
    between = max(_BETWEEN, key=lines[0].count) if lines else ","
    rows = csv.DictReader(lines, restkey="", delimiter=between, strict=True)
    found: dict[str, Row] = {}
    faults: list[str] = []
    try:
        _read(rows, found, faults)
    except csv.Error as exc:
        faults.append(f"line {rows.line_num + 1}: {exc}: is there a quotation mark too many?")
    if len(found) > CAMPUSES_MAX:
        faults.append(f"{len(found)} campuses are more than {CAMPUSES_MAX}: cut the sheet in two")
    if faults:
        more = f"\n  and {len(faults) - FAULTS_TOLD_MAX} more" if len(faults) > FAULTS_TOLD_MAX else ""
        told = "\n  ".join(faults[:FAULTS_TOLD_MAX])
        raise CatalogueError(f"no campus was made known:\n  {told}{more}", hint="mend these lines")
    return list(found.values())


def _read(rows: csv.DictReader[str], found: dict[str, Row], faults: list[str]) -> None:
    """Every line of a sheet: the campuses by name, and what is wrong."""
    from catalogue.errors import CatalogueError

    header = [name.strip() for name in rows.fieldnames or ()]
    if "campus" not in header or not set(header) <= set(COLUMNS):
        raise CatalogueError(
            f"the first line names the columns, and it is {','.join(header)!r}",
            hint=f"write {','.join(COLUMNS)}; the last two may be left out",
        )
    rows.fieldnames = header
    for cells in rows:
        row, fault = _row(cells)
        fault = fault or (f"{row.campus} is named twice" if row.campus in found else "")
        faults += [f"line {rows.line_num}: {fault}"] if fault else []
        found.setdefault(row.campus, row)


def _row(cells: dict[str, Any]) -> tuple[Row, str]:
    """One line of a sheet, and what is wrong with it."""
    from wire import canonical

    campus, title, environment = ((cells.get(name) or "").strip() for name in COLUMNS)
    row = Row(campus, title or campus, environment or str(Environment.production))
    if "" in cells:
        return row, "more cells than columns: a text in which a cell would end stands in quotes"
    if not canonical.CAMPUS.fullmatch(campus):
        return row, f"{campus!r} cannot be a campus: letters, digits, '.', '_' and '-', at most 63"
    known = [str(one) for one in Environment]
    return row, "" if row.environment in known else f"{row.environment!r} is no environment: {' or '.join(known)}"


async def _unknown(store: Store, found: list[Row]) -> list[Row]:
    """Those that are not there yet."""
    from catalogue import tenants

    async with store.reading() as conn:
        there = {one["campus"] for one in await tenants.tenants(conn)}
    return [row for row in found if row.campus not in there]


async def _make_known(centre: Centre, store: Store, rows: list[Row], expires_at: int) -> list[dict[str, str]]:
    """Make some campuses known, all or none; the name of each, its token and until when that may be used."""
    from catalogue import acts, schema, tenants
    from catalogue.server import load_key

    key = load_key(centre.settings)
    made = []
    async with store.writing() as conn:
        for campus, title, environment in rows:
            async with acts.recorded(conn, act(campus, "tenant.add", campus), acts.rows(schema.tenant, campus=campus)):
                await tenants.add_tenant(conn, campus, title=title, environment=environment, now=now())
            async with acts.recorded(conn, act(campus, "tenant.token"), acts.rows(schema.enrolment, campus=campus)):
                token = await tenants.new_token(conn, campus, key.fingerprint, expires_at=expires_at)
            made.append(dict(zip(TOKENS, (campus, token.text(), iso(expires_at)), strict=True)))
    return made
