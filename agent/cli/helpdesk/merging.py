"""`rewards-agent learner merge`: two accounts of one person become one, by entries; and which have."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ByOption, carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, run_async, settings_of, utc
from agent.cli.terms.inforce import amounts_text, rules_in_force, whoever
from agent.cli.terms.who import account_of, aliases_in, held_links, history_of, sites_of
from agent.errors import InvalidInputError

if TYPE_CHECKING:
    from agent.config.settings import Settings

_CHANGES = ("change", "of", "rule_id", "amounts", "entries", "why")
_PROPOSED = ("from", "into", "idnumber", "why")
_MERGES = ("from", "into", "merged_at", "by", "reason")


def merge(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The account that ends: moodle:36, username, id …")],
    target: Annotated[str, typer.Argument(metavar="INTO", help="The account that stays.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded and shown.")] = "",
    by: ByOption = "",
    preview: Annotated[bool, typer.Option("--preview", help="Only say what would change.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make one of two accounts of one person, by entries.

    What FROM has is answered there and given to INTO; what both were paid for once is paid once, and the earlier act
    stands. A programme that only both together completed is paid, and badges follow; --preview tells it. What FROM does
    from now on is INTO's. Doing it again changes nothing. Accounts of two sites can be taken apart again (learner
    unlink), those of one only by hand. An account that another agent of the campus records stays as it is: its wallet
    is counted with this one's by the catalogue (rewards-catalogue wallet link).

    Example: rewards-agent learner merge moodle:36 moodle:35 --preview
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        _of_this_agent(settings, connection, source, target)
        accounts = [account_of(settings, connection, text) for text in (source, target)]
    result = carry_out(
        config,
        "learner.merge",
        source=accounts[0],
        target=accounts[1],
        reason=reason,
        by=whoever(by),
        preview=preview,
    )
    if json:
        emit_json(result)
        return
    if result["already"]:
        typer.echo(f"{result['from']} is {result['into']} already: nothing changes")
        return

    rows: list[dict[str, Any]] = [
        {**one, "amounts": amounts_text(one["amounts"], rulebook), "entries": ", ".join(one["entries"])}
        for one in result["changes"]
    ]
    emit(rows, _CHANGES, json=False, empty="nothing was earned by the first: only later acts change hands")
    verb = "would be" if preview else "is"
    typer.echo(f"{result['from']} {verb} {result['into']}: {amounts_text(result['gains'], rulebook)} moved")
    if result["given_back"]:
        typer.echo(f"paid to both, and given back: {amounts_text(result['given_back'], rulebook)}")
    for one in result["besides"]:
        why = f" ({one['why']})" if one["why"] else ""
        amounts = amounts_text(one["amounts"], rulebook)
        typer.echo(f"because they are one, {one['learner']}: {one['rule_id']} {one['outcome']}, {amounts}{why}")


def _of_this_agent(settings: Settings, connection: sqlite3.Connection, *accounts: str) -> None:
    """See that none is of a site that another agent records: there are no entries of it here to move.

    Raises:
        InvalidInputError: one is.
    """
    known = {*sites_of(settings)} | {site for (site,) in connection.execute("SELECT DISTINCT site FROM person")}
    for account in accounts:
        site, colon, _ = account.rpartition(":")
        if colon and site not in known:
            raise InvalidInputError(
                f"this agent records no site {site!r}: it has {', '.join(sorted(known))}",
                hint=f"if another agent of the campus does, both accounts stay as they are and share a wallet at the"
                f" catalogue: rewards-catalogue wallet link {settings.agent.campus} PSEUDONYM PSEUDONYM; learner show"
                " names the pseudonym at each agent (docs/admin/people.md)",
            )


def unlink(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account that is its own again: campus2:9")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded and shown.")] = "",
    by: ByOption = "",
    preview: Annotated[bool, typer.Option("--preview", help="Only say what would change.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take apart what was linked by mistake: an account of another site is its own again, by entries.

    What the common wallet was paid for acts of ACCOUNT is answered there and given to ACCOUNT, and what it does from
    now on is its own. [identity] does not link it again by itself. Limits that the two had filled together are not
    decided anew.

    Example: rewards-agent learner unlink campus2:9 --preview
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
    result = carry_out(config, "learner.unlink", account=account, reason=reason, by=whoever(by), preview=preview)
    if json:
        emit_json(result)
        return

    rows = [
        {**one, "amounts": amounts_text(one["amounts"], rulebook), "entries": ", ".join(one["entries"])}
        for one in result["changes"]
    ]
    emit(rows, _CHANGES, json=False, empty="nothing was earned by it: only later acts are its own")
    verb = "would be" if preview else "is"
    moved = amounts_text(result["gains"], rulebook)
    typer.echo(f"{result['account']} {verb} its own again, no longer {result['was']}: {moved} moved")


def merges(
    proposed: Annotated[
        bool, typer.Option("--proposed", help="Instead: accounts that may be one person, and why nobody guessed.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the accounts that were merged into others, by whom and why; or those that perhaps should be.

    Accounts of several sites are linked where they are first seen, by [identity]; what is doubtful, and what both have
    earned already, is for a person to say. What is doubtful about somebody at another agent of the campus is decided at
    the catalogue: rewards-catalogue wallet link.

    Example: rewards-agent learner merges --proposed
    """
    from agent.ledger.centre import elsewhere

    settings = settings_of(config)
    with ledger_of(config) as connection:
        found = connection.execute(
            "SELECT site || ':' || lms_user, into_site || ':' || into_user, merged_at, merged_by, reason FROM alias"
            " ORDER BY merged_at, lms_user"
        ).fetchall()
        merged, held = aliases_in(connection), held_links(connection)
        elsewhere_held = elsewhere.held(connection)
    if proposed:
        rows = [
            row for row in run_async(_alike(settings)) if merged.learner(row["from"]) != merged.learner(row["into"])
        ]
        rows += [
            {"from": one.learner, "into": other, "idnumber": "", "why": one.reason}
            for one in held
            for other in one.others
        ]
        rows += [
            {"from": learner, "into": "at another agent", "idnumber": "", "why": why} for learner, why in elsewhere_held
        ]
        emit(rows, _PROPOSED, json=json, empty="no idnumber is on two accounts, and no link waits")
        return
    rows = [dict(zip(_MERGES, row, strict=True)) for row in found]
    for row in rows:
        row["merged_at"] = utc(row["merged_at"])
    emit(rows, _MERGES, json=json, empty="no account was merged")


async def _alike(settings: Settings) -> list[dict[str, Any]]:
    """The accounts of one idnumber, each with the oldest of them."""
    rows = []
    for source in settings.log_sources:
        async with history_of(settings, source, None) as history:
            oldest: dict[str, str] = {}
            for idnumber, user in await history.same_idnumber():
                first = oldest.setdefault(idnumber, user)
                if user != first:
                    site = source.site_name
                    row = {"from": f"{site}:{user}", "into": f"{site}:{first}", "idnumber": idnumber}
                    rows.append({**row, "why": "two accounts of one site have this idnumber"})
    return rows
