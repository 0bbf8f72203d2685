"""`rewards-agent learner ranking`: who earned the most, ever or in a span of days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import LIMIT_MAX, ConfigOption, JsonOption, emit, emit_json, note, settings_of
from agent.cli.terms.inforce import SinceOption, UntilOption, amount_text, rules_in_force, span_of
from agent.cli.terms.who import aliases_in
from agent.errors import InvalidInputError
from machine.words import counted

if TYPE_CHECKING:
    from agent.engine.rulebook import Rulebook

COLUMNS = ("place", "learner", "amount")


def ranking(
    currency: Annotated[
        str, typer.Option("--currency", metavar="NAME", help="Of this currency; needed where there are several.")
    ] = "",
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=LIMIT_MAX, help="So many learners at most.")] = 10,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show who earned the most, ever or in a span of days: the sum of each learner's entries.

    What was taken back is not counted, what was spent or expired is: spending costs nobody a place. Who has as much as
    another shares the place, and the next is passed over. Who takes no part stands in no ranking. Days are those of the
    rules, by the time of the act; amounts in --json are whole smallest units.

    Example: rewards-agent learner ranking --since 2026-09-01 --until 2026-09-30
    """
    from agent.ledger.record import agreed, erased
    from agent.ledger.tally import places

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        of = _the_currency(currency, rulebook)
        span = span_of(since, until, rulebook) if since or until else None
        absent = agreed.absent(connection, erased.out_now(connection))
        found = places.placed(places.earned(connection, of, span, aliases_in(connection)), absent)
    rows: list[dict[str, Any]] = [
        {"place": place, "learner": learner, "amount": amount} for place, learner, amount in found[:limit]
    ]
    if json:
        emit_json({"currency": of, "since": since, "until": until, "learners": len(found), "places": rows})
        return
    emit([{**row, "amount": amount_text(of, row["amount"], rulebook)} for row in rows], COLUMNS, json=False)
    if len(found) > limit:
        note(f"{counted(len(found) - limit, 'more learner')}: see --limit")


def _the_currency(name: str, rulebook: Rulebook) -> str:
    """What is meant: ``name``, or the only currency that there is.

    Raises:
        InvalidInputError: there is none of that name, or several and none is named.
    """
    known = sorted(rulebook.currencies)
    if not name and len(known) == 1:
        return known[0]
    if name in known:
        return name
    what = f"there is no currency {name!r}" if name else "there are several currencies"
    raise InvalidInputError(what, hint=f"write --currency with one of {', '.join(known)}")
