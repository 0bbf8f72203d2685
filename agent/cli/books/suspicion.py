"""`rewards-agent review flags` and `review anomalies`: what looks unusual; nothing is refused for it."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import LIMIT_MAX, ConfigOption, JsonOption, emit, note, settings_of, utc
from agent.cli.terms.inforce import SinceOption, rules_in_force, span_of
from agent.cli.terms.who import LearnerOption, learner_of

DAYS = 28
"""So many days are looked at where no other span is asked for."""

_DAY_S = 86_400


def flags(
    *,
    learner: LearnerOption = None,
    check: Annotated[str, typer.Option("--check", metavar="CHECK", help="Of this [[check]] only.")] = "",
    since: SinceOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=LIMIT_MAX, help="So many at most.")] = 100,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List what checks have flagged, newest first: whose act, what it weighs, and its number in the log.

    `rewards-agent events explain` with the number under "log" tells all about one.

    Example: rewards-agent review flags --check copied --since 2026-09-01
    """
    from agent.ledger.past import suspicion

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        begin, _ = span_of(since, None, rulebook)
        who = learner_of(settings, connection, learner) if learner else ""
        found = suspicion.flags(connection, since=begin, check=check, learner=who, newest=limit)
    rows = [
        {"occurred_at": utc(one.at), "learner": one.learner, "check": one.check, "weight": one.weight,
         "log": one.position}
        for one in found
    ]  # fmt: skip
    emit(rows, ("occurred_at", "learner", "check", "weight", "log"), json=json, empty="nothing is flagged")


def anomalies(*, since: SinceOption = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """List who was awarded far more often than is usual under a rule, or far more on one day than on their others.

    Usual is the median; the score says how many (robust) standard deviations above it somebody is. Looks at the last 28
    days; days are those of UTC. A reason to look, never one to refuse: eight learners, or days, are needed to say
    anything.

    Example: rewards-agent review anomalies --since 2026-09-01 --json
    """
    from agent.clock import SystemClock
    from agent.config.grammar import shown_number
    from agent.engine.fairness.anomalies import anomalies as outlying
    from agent.ledger.past import suspicion

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        begin = span_of(since, None, rulebook)[0] if since else SystemClock().now() - DAYS * _DAY_S
        days = suspicion.awards_by_day(connection, utc(begin))
    rows = [
        {
            "rule_id": one.rule,
            "learner": one.learner,
            "among": one.among,
            "day": one.day,
            "awards": one.count,
            "usual": shown_number(one.usual),
            "score": shown_number(round(one.score, 1)),
        }
        for one in outlying(days)
    ]
    columns = ("rule_id", "learner", "among", "day", "awards", "usual", "score")
    emit(rows, columns, json=json, empty="nothing is unusual")
    if rows and not json:
        note("see one of them: rewards-agent learner show, ledger list --learner … --rule …")
