"""`rewards-agent report`: what a week, a term or a year came to, beside the same time before it."""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, note, settings_of, utc
from agent.cli.terms.inforce import amount_text, amounts_text, rules_in_force, span_of
from agent.errors import InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    import sqlite3

    from agent.engine.rulebook import Rulebook
    from agent.ledger.tally.counts import RuleCount

app = Application(help="What a span of days came to, beside the days before it.")

DAYS_MAX = 3_660
YEAR_MIN, YEAR_MAX = 1970, 9998
"""Acts are counted in seconds since then; the days before it stay days that a calendar knows."""
RULE_COLUMNS = ("rule", "acts", "awarded", "held", "refused", "hit_pct", "before", "learners", "paid")
MONEY_COLUMNS = ("currency", "issued", "before", "taken_back", "spent", "redemptions", "expired")
SOURCE_COLUMNS = ("source", "events", "before", "newest_act")


@app.command()
def report(
    *,
    days: Annotated[int, typer.Option("--days", min=1, max=DAYS_MAX, help="So many days: 7, or 91 for a quarter.")] = 7,
    until: Annotated[
        str, typer.Option("--until", metavar="DAY", help="The last day; else today, as far as it is.")
    ] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what the last days came to: what was seen, what each rule paid, held and refused, what was issued and spent.

    Days are the institution's (the zone of the rules), by the time of the act. Under `before` stands the same for as
    many days before. `hit pct` is how many of a hundred acts that a rule looked at it paid. No name is shown, so it may
    be handed on; amounts in --json are whole smallest units.

    Example: rewards-agent report --days 91 --until 2026-09-30
    """
    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        last = _day(until, rulebook)
        begin = last - timedelta(days=days - 1)
        before = begin - timedelta(days=days)
        now_span = span_of(begin.isoformat(), last.isoformat(), rulebook)
        span_before = span_of(before.isoformat(), (begin - timedelta(days=1)).isoformat(), rulebook)
        told = _told(connection, now_span, span_before, [rule.id for rule in rulebook.rules])
    if json:
        emit_json({"since": begin.isoformat(), "until": last.isoformat(), "days": days, **told})
        return
    note(f"{begin} to {last}, beside the {days} days before")
    for heading, rows, columns in (
        ("Seen", told["sources"], SOURCE_COLUMNS),
        ("By rule", _shown_rules(told["rules"], rulebook), RULE_COLUMNS),
        ("Why not, most often", [row for row in told["rules"] if row["why_not"]], ("rule", "why_not")),
        ("By currency", _shown_money(told["currencies"], rulebook), MONEY_COLUMNS),
    ):
        typer.echo(f"\n{heading}")
        emit(rows, columns, json=False, empty="  nothing")


def _day(text: str, rulebook: Rulebook) -> date:
    if not text:
        return rulebook.calendar.day(int(time.time()))
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise InvalidInputError(f"{text!r} is no day to report of", hint="write 2026-09-30")
    return day


def _told(
    connection: sqlite3.Connection, span: tuple[int, int], before: tuple[int, int], rules: list[str]
) -> dict[str, Any]:
    """All of it, as `--json` prints it."""
    from dataclasses import asdict

    from agent.ledger.tally import counts

    now, earlier = counts.of(connection, *span), counts.of(connection, *before)
    seen_before = {one.source: one.events for one in earlier.sources}
    seen = {one.source: one for one in now.sources}
    order = {rule: number for number, rule in enumerate(rules)}
    named = sorted({*rules, *now.rules, *earlier.rules}, key=lambda rule: (order.get(rule, len(order)), rule))
    return {
        "sources": [
            {
                "source": name,
                "events": seen[name].events if name in seen else 0,
                "before": seen_before.get(name, 0),
                "newest_act": utc(seen[name].newest) if name in seen else "",
            }
            for name in sorted({*seen, *seen_before})
        ],
        "rules": [_rule(rule, now.rules.get(rule), earlier.rules.get(rule)) for rule in named],
        "currencies": [
            {
                "currency": name,
                "before": earlier.money.get(name, counts.NOTHING).issued,
                **asdict(now.money.get(name, counts.NOTHING)),
            }
            for name in sorted({*now.money, *earlier.money})
        ],
    }


def _rule(rule: str, one: RuleCount | None, before: RuleCount | None) -> dict[str, Any]:
    from agent.ledger.tally import counts

    one = one or counts.RuleCount()
    return {
        "rule": rule,
        "acts": one.asked,
        "awarded": one.awarded + one.shadow,
        "of_them_shadow": one.shadow,
        "held": one.held,
        "refused": one.refused,
        "reversed": one.reversed,
        "hit_pct": one.hit_pct,
        "before": before.awarded + before.shadow if before else 0,
        "learners": one.learners,
        "paid": dict(sorted(one.paid.items())),
        "why_not": one.why_not,
    }


def _shown_rules(rows: list[dict[str, Any]], rulebook: Rulebook) -> list[dict[str, Any]]:
    return [{**row, "paid": amounts_text(row["paid"], rulebook) if row["paid"] else ""} for row in rows]


def _shown_money(rows: list[dict[str, Any]], rulebook: Rulebook) -> list[dict[str, Any]]:
    amounts = ("issued", "before", "taken_back", "spent", "expired", "refunded")
    return [{**row, **{name: amount_text(row["currency"], row[name], rulebook) for name in amounts}} for row in rows]
