"""`rewards-agent learner erase` and `readmit`: nobody is left of somebody, and nothing brings them back unasked."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ByOption, carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit_json, note, run_async, settings_of, utc
from agent.cli.terms.inforce import amounts_text, rules_in_force, whoever
from agent.cli.terms.who import StudentArgument, person, words_of
from agent.errors import InvalidInputError, RewardsError
from machine.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from agent.cli.terms.who import Who
    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook

_WORDS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whom:
    """Who is meant, all accounts of the person, and what goes: for people before, and for the steps after."""

    title: str
    learner: str
    accounts: tuple[tuple[str, str], ...]
    words: tuple[str, ...]
    balances: dict[str, str]
    badges: tuple[str, ...]
    counts: dict[str, int]
    erased: bool

    def facts(self) -> dict[str, Any]:
        return {
            "learner": self.learner,
            "accounts": [":".join(one) for one in self.accounts],
            "forfeited": self.balances,
            "badges": list(self.badges),
            **self.counts,
            "marked_before": self.erased,
        }


def erase(
    student: StudentArgument,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="TEXT", help="What posts call the person besides: an old address, a username."),
    ] = None,
    by: ByOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only told what would go.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take a person out of the ledger, the posts and every backup, for good; the balance is forfeited.

    Without --yes nothing is done: it is told who is meant, what goes and what is forfeited. What stays are amounts
    under a pseudonym that leads to nobody, so that sums and hashes hold, and a mark: neither the log nor a post, a CSV
    or an old backup brings the person back until `learner readmit`. Interrupted, run it again: it finishes. The agent
    may run meanwhile. Copies that were moved elsewhere it cannot reach: what it does not know is told, exit 1.

    Example: rewards-agent learner erase ann@example.org --by "D. Protect" --yes
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        file, rulebook = rules_in_force(settings, connection)
        whom = _whom(settings, connection, student, file, rulebook, tuple(also or ())[:_WORDS_MAX])
    if not yes:
        _told(settings, whom, json=json)
        return
    done = _carried_out(config, settings, whom, whoever(by))
    if json:
        emit_json(done)
    else:
        _done(whom, done)
    if done["left"]:
        raise typer.Exit(1)


def readmit(
    student: StudentArgument,
    by: ByOption = "",
    preview: Annotated[bool, typer.Option("--preview", help="Only say which accounts it would be.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Let somebody earn again who was erased: from now on, as a new person. What was before stays nobody's.

    All accounts that were erased together are readmitted together, whichever of them is named; they are told. They are
    accounts of their own from then on, until something links them again.

    Example: rewards-agent learner readmit ann@example.org --by "D. Protect"
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        file, _ = rules_in_force(settings, connection)
        learner = _named(settings, connection, student, file)[0]
        kept = _erased_with(connection, learner)
    accounts = kept or [learner]
    told: dict[str, Any] = {"readmitted": learner, "accounts": accounts, "from": None, "all_known": bool(kept)}
    if not preview:
        told |= carry_out(config, "learner.readmit", accounts=[learner.split(":", 1)], by=whoever(by))
    told["done"] = not preview
    if json:
        emit_json(told)
        return
    verb = "would be readmitted" if preview else f"readmitted from {utc(told['from'])} on"
    typer.echo(f"{verb}: {', '.join(told['accounts'])}")
    if not kept:
        note(
            "an older version erased this account and did not keep with which others: readmit each of them by its name"
        )
    if preview:
        note("nothing was changed: the same without --preview")


def _erased_with(connection: sqlite3.Connection, learner: str) -> list[str]:
    """The accounts that one erasure marked, that of ``learner`` first; empty where it was not kept which.

    Raises:
        InvalidInputError: this account is not marked.
    """
    from agent.ledger.record import erased, together
    from agent.ledger.record.people import split_learner

    marks, account = erased.of_ledger(connection), split_learner(learner)
    if not marks.bars_now(account):
        raise InvalidInputError(f"{learner} is not erased", hint="nothing is to be lifted")
    return [":".join(one) for one in together.marked_with(connection, marks, account)]


def _whom(
    settings: Settings,
    connection: sqlite3.Connection,
    student: str,
    file: RuleFile,
    rulebook: Rulebook,
    also: tuple[str, ...],
) -> _Whom:
    from agent.ledger import reading
    from agent.ledger.privacy import holdings
    from agent.ledger.record import erased

    learner, who = _named(settings, connection, student, file)
    accounts = holdings.accounts_of(connection, learner)
    subject = holdings.subject_of(connection, accounts)
    marks = erased.of_ledger(connection)
    balances = reading.balances_of(connection, learner)
    words = run_async(words_of(settings, accounts, file))
    words += tuple(row["name"] for row in holdings.holdings(connection, subject, (), only=("name_said",))["name_said"])
    return _Whom(
        title=who.title() if who is not None else learner,
        learner=learner,
        accounts=accounts,
        words=(*words, *also),
        balances={
            currency: amounts_text({currency: amount}, rulebook)
            for currency, (amount, _) in balances.items()
            if not currency.startswith("badge:")
        },
        badges=tuple(
            currency.removeprefix("badge:")
            for currency, (amount, _) in balances.items()
            if currency.startswith("badge:") and amount > 0
        ),
        counts={"acts": len(subject.events), "held": len(reading.holds(connection, learner=learner))},
        erased=all(marks.bars_now(account) for account in accounts),
    )


def _named(settings: Settings, connection: sqlite3.Connection, student: str, file: RuleFile) -> tuple[str, Who | None]:
    """The learner meant; an id with its site is taken as it is where neither ledger nor LMS knows it any more."""
    try:
        who = run_async(person(settings, connection, student, file))
    except RewardsError:
        site, _, user = student.partition(":")
        if not user or site not in _sites(settings):
            raise
        return student, None
    return who.learner, who


def _sites(settings: Settings) -> set[str]:
    from agent.wiring.people.erasing import sites_of

    return {site for _, site in sites_of(settings).values()}


def _told(settings: Settings, whom: _Whom, *, json: bool) -> None:
    """What would go."""
    from agent.privacy import copies

    found = [str(path) for path in copies.all_of(settings.agent.data_dir)]
    if json:
        emit_json({**whom.facts(), "copies": found, "done": False})
        return
    typer.echo(f"{whom.title} would be erased:")
    if len(whom.accounts) > 1:
        typer.echo(f"  all accounts: {', '.join(':'.join(one) for one in whom.accounts)}")
    typer.echo(f"  forfeited: {', '.join(whom.balances.values()) or 'nothing'}")
    if whom.badges:
        typer.echo(f"  badges: {', '.join(whom.badges)}")
    typer.echo(f"  recorded acts: {whom.counts['acts']}, of them held: {whom.counts['held']}")
    typer.echo(f"  copies that are written again: {len(found)}")
    for path in found:
        typer.echo(f"    {path}")
    if whom.erased:
        typer.echo("  marked as erased already: doing it again looks everywhere once more")
    note("nothing was changed. Hand over what is held first (learner export); then the same with --yes: no way back")


def _carried_out(config: Path | None, settings: Settings, whom: _Whom, by: str) -> dict[str, Any]:
    from agent.cli.tuning.bar import bar
    from agent.collectors.inbox.personal import Traits
    from agent.ledger.backup import taking
    from agent.ledger.privacy import holdings
    from agent.ledger.record import erased
    from agent.privacy import copies
    from agent.wiring.people.erasing import sites_of

    data_dir = settings.agent.data_dir
    accounts = [list(account) for account in whom.accounts]
    with taking.alone(data_dir):
        marked = carry_out(config, "learner.erase.begin", accounts=accounts, by=by)
        with ledger_of(config) as connection:
            marks, rows = erased.of_ledger(connection), erased.rows_of(connection)
            theirs = holdings.pseudonyms_of(connection, holdings.subject_of(connection, whom.accounts))
            untold = (*erased.untold_of(connection), *theirs)
        wanted = copies.Wanted(
            accounts=whom.accounts,
            erased=marks,
            rows=rows,
            traits=Traits.of(whom.accounts, whom.words),
            sources=sites_of(settings),
            untold=untold,
        )
        rewritten, left = [], []
        with bar("writing copies again") as advance:
            for number, (path, told) in enumerate(copies.cleaned(data_dir, wanted), start=1):
                advance(number, 0, path.name)
                if told == "rewritten":
                    rewritten.append(str(path))
                elif told != "clean":
                    left.append(f"{path}: {told}")
        removed = carry_out(config, "learner.erase.finish", accounts=accounts, words=list(whom.words), by=by)
    return {
        **whom.facts(),
        "done": True,
        "marked": marked["marked"],
        "posts": removed["posts"],
        "posts_unread": removed["posts_unread"],
        "pseudonyms": removed["pseudonyms"],
        "copies_rewritten": rewritten,
        "left": left,
        "catalogue": _forgotten(config, settings),
    }


def _forgotten(config: Path | None, settings: Settings) -> str:
    """Whether the catalogue has let go of the sealed copy: asked at once, else with the next delivery."""
    from agent.ledger.recovery import persons

    if settings.catalogue is None:
        return "none is configured"
    try:
        carry_out(config, "sync.now", limit_s=10.0)
    except RewardsError as error:
        return f"not told yet: {error.message}; it is with the next delivery"
    with ledger_of(config) as connection:
        waiting = persons.unforgotten(connection)
    what = "the sealed copy and the name" if settings.names_told else "the sealed copy"
    return f"forgets {what} with the next delivery" if waiting else f"has forgotten {what}"


def _done(whom: _Whom, done: dict[str, Any]) -> None:
    forfeited = ", ".join(whom.balances.values()) or "nothing"
    typer.echo(f"{whom.learner} is erased; forfeited: {forfeited}")
    typer.echo(
        f"{counted(whom.counts['acts'], 'act')}, {counted(done['posts'], 'post')} and"
        f" {counted(len(done['copies_rewritten']), 'copy', 'copies')} rewritten"
    )
    if done["posts_unread"]:
        unread = counted(done["posts_unread"], "post")
        typer.echo(f"{unread} that tell of others too and are not read yet: gone as soon as they are read")
    typer.echo(f"the catalogue {done['catalogue']}")
    _left(done["left"])
    note("copies on other machines and tapes are yours to find: see docs/admin/privacy.md")


def _left(left: Sequence[str]) -> None:
    if left:
        typer.echo("left to you:")
    for one in left:
        typer.echo(f"  {one}")
