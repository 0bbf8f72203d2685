"""`rewards-agent events replay`: recorded events decided again by today's rules, or by rules that are only tried."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, emit_one, note, run_async, settings_of, utc
from agent.cli.terms.inforce import ByOption, SinceOption, UntilOption
from agent.cli.terms.who import LearnerOption, learner_of
from agent.errors import InvalidInputError

if TYPE_CHECKING:
    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook

COMMAND = "events.replay"
COUNTS = ("events", "awarded", "held", "refused", "reversed", "stood", "compensated")
COLUMNS = ("occurred_at", "log", "learner", "rule", "before", "now", "pays")


def replay(  # noqa: PLR0917 - each is an option with a name of its own
    since: SinceOption = None,
    until: UntilOption = None,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="Of one kind: quiz.submitted, forum.*")] = "",
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="First seen by this source.")] = "",
    learner: LearnerOption = None,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="EVENT", help="An event id or its beginning.")
    ] = None,
    rule: Annotated[list[str] | None, typer.Option("--rule", metavar="ID", help="Only this rule.")] = None,
    rules: Annotated[
        str,
        typer.Option("--rules", metavar="FILE", help="Look by other rules: a file, or a version of before."),
    ] = "",
    compensate: Annotated[
        bool, typer.Option("--compensate", help="Also take back what was paid and would not be paid now.")
    ] = False,
    show: Annotated[int, typer.Option("--show", metavar="N", min=0, help="So many differences, one by one.")] = 20,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Decide recorded events again by the rules in force. Shows what would differ; --yes does it.

    For after a rule was mended: what it refused or held for lack of trust or of a fact is decided anew, what no rule
    decided is decided now, and what was only tried in shadow mode is paid: name the span with --since. What was paid
    stands, and nothing is paid twice, however often this runs. Only entries are added. What waits for a person goes on
    waiting: rewards-agent review list.

    Example: rewards-agent events replay --since 2026-09-01 --kind "quiz.*"

    Then: rewards-agent events replay --since 2026-09-01 --kind "quiz.*" --yes --by "B. Desk"
    """
    from agent.cli.terms.inforce import amount_text, span_of, whoever

    if rules and yes:
        raise InvalidInputError("--rules only looks", hint="put the rules in force first, then replay without --rules")
    settings = settings_of(config)
    with ledger_of(config) as connection:
        file, rulebook, other = _rules(settings, rules)
        begin, end = span_of(since, until, rulebook)
        who = learner_of(settings, connection, learner) if learner else ""
    asked = {
        "between": [begin, end],
        "by": whoever(by),
        "version": file.version,
        "rules": rule or [],
        "which": {"kind": kind, "source": source, "learner": who, "ids": [one.lower() for one in ids or ()]},
        "compensate": compensate,
    }
    counts, postings, changes = run_async(_all(settings, asked, other, show, really=yes))
    paid = {account: amount_text(account, units, rulebook) for account, units in sorted(postings.items())}
    if json:
        emit_json({"done": yes, "rules": file.version, **counts, "paid": paid, "changes": changes})
        return
    for one in changes:
        one["pays"] = {account: amount_text(account, units, rulebook) for account, units in one["amounts"].items()}
    emit(changes, COLUMNS, json=False, empty="no decision differs")
    emit_one({("pays" if yes else "would pay"): paid or "nothing", **counts}, json=False)
    if not yes:
        note(
            "nothing was changed; with --yes it is done" if not rules else "nothing was changed: other rules only look"
        )


def _rules(settings: Settings, name: str) -> tuple[RuleFile, Rulebook, RuleFile | None]:
    """The rules that decide, and the same again where they are not those in force."""
    from agent.cli.tuning.chosen import compiled, named
    from agent.ledger import file
    from agent.wiring.rules import read_rules

    if not name:
        return *read_rules(settings), None
    with file.reading(settings.agent.data_dir) as connection:
        other = named(name, connection)
    return other, compiled(other), other


async def _all(
    settings: Settings, asked: dict[str, Any], rules: RuleFile | None, show: int, *, really: bool
) -> tuple[dict[str, int], Counter[str], list[dict[str, Any]]]:
    """Page after page to the end: counts, what is paid per account, the first differences."""
    from agent.cli.mending.carried import every_page, on_a_copy, working
    from agent.cli.tuning.bar import bar

    counts, postings, changes = dict.fromkeys(COUNTS, 0), Counter[str](), list[dict[str, Any]]()
    async with working(settings, COMMAND) if really else on_a_copy(settings, COMMAND, rules) as ask:
        with bar("replaying" if really else "looking") as advance:

            def on_page(page: dict[str, Any]) -> None:
                for name in COUNTS:
                    counts[name] += page[name]
                postings.update(page["postings"])
                for one in page["changes"][: max(0, show - len(changes))]:
                    changes.append({**one, "occurred_at": utc(one["occurred_at"])})
                advance(page["position"], page["last"], f"{counts['events']:,} events, {counts['awarded']:,} awards")

            await every_page(ask, asked, on_page)
    return counts, postings, changes
