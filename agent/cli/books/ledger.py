"""`rewards-agent ledger …`: look at the entries, hand them on, check them, correct what was wrong by a later one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agent.cli.access import ReasonOption, carry_out, ledger_of
from agent.cli.frame import LIMIT_MAX, ConfigOption, JsonOption, emit, emit_json, emit_one, note, settings_of
from agent.cli.terms.inforce import (
    ByOption,
    SinceOption,
    UntilOption,
    amount_text,
    amounts_text,
    rules_in_force,
    smallest_units,
    span_of,
    whoever,
)
from agent.cli.terms.who import LearnerOption, learner_of
from agent.errors import InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    import sqlite3

    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook
    from agent.ledger.reading import Choice, EntryRow

app = Application(no_args_is_help=True, help="List, export, verify and correct the ledger.")

RuleOption = Annotated[str, typer.Option("--rule", metavar="RULE", help="Of one rule; `manual` for adjustments.")]
CurrencyOption = Annotated[str, typer.Option("--currency", metavar="NAME", help="Of one currency, or badge:ID.")]
LIST_COLUMNS = ("seq", "occurred_at", "learner", "rule_id", "amount", "currency", "kind", "reason", "reverses")
ALWAYS = 2**62
"""Seconds UTC that nothing comes after."""
_PROGRESS_FROM = 20_000
"""Fewer entries than this are there before a bar could be seen."""


@app.command("list")
def listed(
    *,
    learner: LearnerOption = None,
    rule: RuleOption = "",
    currency: CurrencyOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    oldest: Annotated[bool, typer.Option("--oldest", help="The oldest first, instead of the newest.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=LIMIT_MAX, help="So many entries at most.")] = 50,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List entries, newest first: every award, reversal and adjustment, badges among them.

    Days are those of the rules' time zone, by the time of the act. Amounts are as people write them; with --json they
    are whole smallest units.

    Example: rewards-agent ledger list --learner ann@example.org --since 2026-09-01 --rule quiz-80
    """
    from agent.ledger import reading

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        choice = _choice(
            settings, connection, learner=learner, rule=rule, currency=currency, span=span_of(since, until, rulebook)
        )
        entries = reading.chosen(connection, choice, newest=not oldest, limit=limit)
    from agent.cli.terms.rows import row_of

    rows = [row_of(entry) for entry in entries]
    if not json:
        for row in rows:
            row["amount"] = amount_text(row["currency"], row["amount"], rulebook)
    emit(rows, LIST_COLUMNS, json=json, empty=_none(settings))


def _choice(
    settings: Settings,
    connection: sqlite3.Connection,
    *,
    learner: str | None,
    rule: str,
    currency: str,
    span: tuple[int, int],
) -> Choice:
    """Which entries are asked for: a learner as people name them, acts of a span (seconds UTC, its end excluded)."""
    from agent.ledger import reading

    who = learner_of(settings, connection, learner) if learner else ""
    return reading.Choice(learner=who, rule=rule, currency=currency, since=span[0], until=span[1])


def _none(settings: Settings) -> str:
    """Why there is nothing to list."""
    if settings.agent.mode == "shadow":
        return "no such entries: in shadow mode nothing is paid; what would be: rewards-agent events list"
    return "no such entries"


@app.command()
def export(
    *,
    form: Annotated[
        Literal["csv", "json"], typer.Option("--format", help="csv, or json (a line for each entry).")
    ] = "csv",
    badges: Annotated[bool, typer.Option("--badges", help="Badges too: accounts badge:ID.")] = False,
    with_statement: Annotated[
        bool,
        typer.Option(
            "--with-statement", help="What is not in the chain too: expiries here, the catalogue's spends and refunds."
        ),
    ] = False,
    after: Annotated[int, typer.Option("--after", metavar="SEQ", min=0, help="Only entries after this seq.")] = 0,
    learner: LearnerOption = None,
    rule: RuleOption = "",
    currency: CurrencyOption = "",
    since: SinceOption = None,
    until: UntilOption = None,
    config: ConfigOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON list of all entries, for programs.")] = False,
) -> None:
    """Write the ledger to standard output, one row for each entry, oldest first; all of it, or what is asked for.

    Columns: seq, entry_id, occurred_at, recorded_at, learner, rule_id, rules_version, currency, amount, kind, event_id,
    source, trust, reason, reverses. Times are UTC; amounts are whole smallest units. What is appended meanwhile is left
    to the next export (see --after). With --with-statement what expired, and what the catalogue says was spent, given
    back and expired, stands beside: under the seq of the newest entry before it, with an entry_id of its own (s1 or c1,
    s2 …), and what it is about under reverses. Days are those of the rules' time zone, by the time of the act.

    Example: rewards-agent ledger export --format csv > ledger.csv

    Example: rewards-agent ledger export --rule quiz-80 --since 2026-09-01 --until 2026-09-30 > september.csv
    """
    from agent.cli.books import statement
    from agent.cli.books.export import asked_for, write_csv
    from agent.cli.terms.rows import row_of
    from agent.cli.terms.sheets import write_json_lines, write_json_list
    from wire.money.terms import BADGE_PREFIX

    settings = settings_of(config)
    with ledger_of(config) as connection:
        span = (0, ALWAYS)
        if since or until:
            span = span_of(since, until, rules_in_force(settings, connection)[1])
        choice = _choice(settings, connection, learner=learner, rule=rule, currency=currency, span=span)
        total = _newest(connection)
        with _progress("exporting", total, shown=not sys.stdout.isatty()) as progress:
            found = _entries(connection, after, total, badges or currency.startswith(BADGE_PREFIX), progress)
            if with_statement:
                found = statement.beside(connection, found, after)
            chosen = asked_for(found, choice)
            if form == "csv" and not json:
                write_csv(chosen, sys.stdout.buffer)
            else:
                (write_json_list if json else write_json_lines)(map(row_of, chosen), sys.stdout.buffer)


def _newest(connection: sqlite3.Connection) -> int:
    from agent.ledger import reading

    return reading.head(connection)[0]


def _entries(
    connection: sqlite3.Connection, after: int, upto: int, badges: bool, progress: Callable[[int], None]
) -> Iterator[EntryRow]:
    """Up to ``upto``: the ledger as it was when the export began, without holding a transaction open."""
    from agent.ledger import projections, reading

    for entry in reading.entries(connection, after=after, badges=badges):
        if entry.seq > upto:
            return
        if entry.seq % projections.READ_AT_ONCE == 0:
            progress(entry.seq)
        yield entry


@app.command()
def verify(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Read the whole ledger again and check it: chain, bytes, persons, events, once-per keys, balances.

    Exits with 0 where everything holds, with 3 where something does not: then the first finding is where to look. May
    be run at any time, also while the agent runs.

    Example: rewards-agent ledger verify --json
    """
    from agent.ledger.verify import FINDINGS_MAX
    from agent.ledger.verify import verify as read_again

    with ledger_of(config) as connection, _progress("verifying", _newest(connection)) as progress:
        report = read_again(connection, progress)
    findings = [{"seq": finding.seq, "what": finding.what} for finding in report.findings]
    if json:
        emit_json({"ok": not findings, "entries": report.entries, "head": report.head, "findings": findings})
    else:
        emit_one({"entries": report.entries, "head": report.head, "in order": not findings}, json=False)
        for finding in findings:
            where = f"entry {finding['seq']}: " if finding["seq"] is not None else ""
            typer.echo(f"  {where}{finding['what']}")
        if len(findings) >= FINDINGS_MAX:
            typer.echo(f"  these are the first {FINDINGS_MAX}; there may be more")
    if findings:
        raise typer.Exit(3)


@app.command()
def rebuild(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Work every balance out again from the entries. Balances only show what the entries say; entries never change.

    Says how many balances there are and how many were not as they should be.

    Example: rewards-agent ledger rebuild
    """
    emit_one(carry_out(config, "ledger.rebuild"), json=json)


@app.command(context_settings={"ignore_unknown_options": True})
def adjust(
    learner: Annotated[
        str, typer.Argument(metavar="LEARNER", help="moodle:35, or a username, idnumber, e-mail or LMS user id.")
    ],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="How much to give; below zero takes: 10, -2.50.")],
    reason: ReasonOption,
    currency: Annotated[str, typer.Option("--currency", metavar="NAME", help="Which currency.")] = "points",
    lower_level: Annotated[
        bool, typer.Option("--lower-level", help="Levels fall to what is left; nothing else lowers them.")
    ] = False,
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Give or take by hand. The entry says why and by whom; nothing that stands is changed.

    A level follows from the most that somebody ever had, so taking away leaves it, except with --lower-level. In shadow
    mode it counts all the same, and says so: rules pay nothing there, people do.

    More than there is can be taken only in a currency that may be owed (overdraw): what is never spent may not.

    Example: rewards-agent ledger adjust ann@example.org 25 --reason "won the poster prize" --by "B. Desk"
    """
    settings = settings_of(config)
    _told(reason)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        units = smallest_units(amount, currency, rulebook)
        who = learner_of(settings, connection, learner)
    result = carry_out(
        config,
        "ledger.adjust",
        learner=who,
        currency=currency,
        amount=units,
        reason=reason,
        by=whoever(by),
        lower_level=lower_level,
    )
    if settings.agent.mode == "shadow":
        note("in shadow mode rules pay nothing; what somebody gives or takes by hand counts, and is delivered")
    if json:
        emit_json(result)
    else:
        moved = f"{'+' if units > 0 else ''}{amounts_text({currency: units}, rulebook)}"
        typer.echo(f"entry {result['seq']}: {who} {moved}")


@app.command()
def reverse(
    entry: Annotated[
        str, typer.Argument(metavar="SEQ|ENTRY_ID", help="The entry that was wrong: 12, or 1-12.", show_default=False)
    ] = "",
    *,
    rule: Annotated[str, typer.Option("--rule", metavar="RULE", help="Instead: all that this rule has paid.")] = "",
    since: SinceOption = None,
    until: UntilOption = None,
    preview: Annotated[bool, typer.Option("--preview", help="With --rule: say what it is, change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --rule: do not ask before.")] = False,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", metavar="TEXT", help="Why; it stands in the entry, and goes to the catalogue: no names."
        ),
    ] = "",
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Answer an award or adjustment by its opposite, and every other entry of the same award with it.

    Its scope and limits are free again, so that the same act may earn once more; a cooldown runs on. With --rule and
    --since it answers everything that a rule has paid for acts of that time and that still stands; doing it again
    reverses nothing twice.

    Example: rewards-agent ledger reverse 1-4711 --reason "the quiz was void" --by "B. Desk"

    Example: rewards-agent ledger reverse --rule quiz-80 --since 2026-09-04 --until 2026-09-05 --preview
    """
    if bool(entry) == bool(rule) or (rule and since is None) or (entry and (since or until or preview)):
        raise InvalidInputError(
            "name one entry, or a rule and since when",
            hint="such as: rewards-agent ledger reverse --rule quiz-80 --since 2026-09-04 --preview",
        )
    if not preview:
        _told(reason)
    if rule:
        from agent.cli.books.reversing import reverse_rule

        reverse_rule(
            config, rule=rule, since=since, until=until, preview=preview, yes=yes, reason=reason, by=by, json=json
        )
        return
    with ledger_of(config) as connection:
        seq = _seq_of(connection, entry)
    result = carry_out(config, "ledger.reverse", seq=seq, reason=reason, by=whoever(by))
    if json:
        emit_json(result)
    else:
        made = ", ".join(str(number) for number in result["entries"])
        typer.echo(f"entry {seq} is reversed by {'entries' if len(result['entries']) > 1 else 'entry'} {made}")


def _told(reason: str) -> None:
    if not reason.strip():
        raise InvalidInputError("a correction needs a reason", hint="say why in --reason: the learner can read it")


def _signed(currency: str, units: int, rulebook: Rulebook) -> str:
    return f"{'+' if units > 0 else ''}{amount_text(currency, units, rulebook)}"


def _seq_of(connection: sqlite3.Connection, text: str) -> int:
    """The seq of what was typed; an entry_id must be exactly that entry's.

    Raises:
        InvalidInputError: there is no such entry.
    """
    from agent.ledger import reading

    _, _, number = text.rpartition("-")
    if number.isdecimal() and int(number) < 2**63:
        found = next(reading.entries(connection, after=int(number) - 1, badges=True), None)
        if found is not None and found.seq == int(number) and text in {number, found.fields["entry_id"]}:
            return found.seq
    raise InvalidInputError(f"there is no entry {text}", hint="see: rewards-agent ledger list")


@contextmanager
def _progress(what: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where that is a terminal; told the seq that was just read."""
    if not (shown and sys.stderr.isatty() and total >= _PROGRESS_FROM):
        yield lambda _: None
        return
    from rich.progress import Progress

    from agent.cli.frame import console

    with Progress(console=console(err=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda seq: bar.update(task, completed=seq)
