"""`rewards-agent rules backfill`: a rule that came later, or was changed, applied to what was before."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit_json, emit_one, note, run_async, settings_of
from agent.errors import InvalidInputError, RewardsError

if TYPE_CHECKING:
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook

COMMAND = "rules.backfill"
COUNTS = ("events", "awarded", "held", "refused", "reversed", "stood", "compensated")


def backfill(
    *,
    rule: Annotated[str, typer.Option("--rule", metavar="ID", help="The rule.")],
    since: Annotated[str, typer.Option("--since", metavar="DAY", help="From this day or time on: 2026-09-01.")],
    until: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="Up to the end of this day, or up to this time.")
    ] = None,
    source: Annotated[
        str,
        typer.Option("--log", metavar="SOURCE", help="Read this log again instead of what the ledger recorded."),
    ] = "",
    compensate: Annotated[
        bool, typer.Option("--compensate", help="Also take back what the rule paid and would not pay now.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what it would come to (the default).")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who does this; it is recorded.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Let a rule pay for what happened before it was there. Shows what it would come to; --yes does it.

    Only entries are added: what was paid stands, and nothing is paid twice, however often this runs. What an experiment
    with pay_after held out is paid once it is over. With --compensate
    awards that the rule would no longer make are answered by their opposite.

    Example: rewards-agent rules backfill --rule quiz-80 --since 2026-09-01
    """
    from agent.cli.terms.inforce import amount_text, span_of, whoever
    from agent.wiring.rules import read_rules

    if preview and yes:
        raise InvalidInputError("--preview and --yes exclude each other", hint="look first, then say --yes")
    settings = settings_of(config)
    file, rulebook = read_rules(settings)
    begin, end = span_of(since, until, rulebook)
    asked = {
        "rule": rule,
        "since": begin,
        "until": end,
        "source": source,
        "compensate": compensate,
        "by": whoever(by),
        "version": file.version,
    }
    counts, postings = run_async(_all(settings, asked, really=yes))
    _say_what_lacks(settings, rulebook, rule, source)
    paid = {account: amount_text(account, units, rulebook) for account, units in sorted(postings.items())}
    if json:
        emit_json({"done": yes, "rule": rule, **counts, "paid": paid})
        return
    emit_one({("pays" if yes else "would pay"): paid or "nothing", **counts}, json=False)
    if not yes:
        note("nothing was changed; with --yes it is done")


async def _all(settings: Settings, asked: dict[str, Any], *, really: bool) -> tuple[dict[str, int], Counter[str]]:
    """Page after page to the end: counts, and what is paid per account."""
    from agent.cli.mending.carried import every_page, on_a_copy, working
    from agent.cli.tuning.bar import bar

    counts, postings = dict.fromkeys(COUNTS, 0), Counter[str]()
    async with working(settings, COMMAND) if really else on_a_copy(settings, COMMAND) as ask:
        with bar("backfilling" if really else "looking") as advance:

            def on_page(page: dict[str, Any]) -> None:
                for name in COUNTS:
                    counts[name] += page[name]
                postings.update(page["postings"])
                advance(page["position"], page["last"], f"{counts['events']:,} events, {counts['awarded']:,} awards")

            await every_page(ask, asked, on_page)
    return counts, postings


def _say_what_lacks(settings: Settings, rulebook: Rulebook, rule: str, source: str) -> None:
    """Recorded events are only those that some rule asked for then, with the facts it asked for."""
    from agent.cli.tuning import history
    from agent.ledger import file

    needs = rulebook.needs.get(rule)
    if source or needs is None:
        return
    with contextlib.suppress(RewardsError), file.reading(settings.agent.data_dir) as connection:
        names, facts = history.lacking(connection, [rulebook])
        absent = sorted((names & (needs.names | needs.suffixes)) | (facts & needs.facts))
        if absent:
            note(f"note: not recorded all the time: {', '.join(absent)}; --log SOURCE reads the log for it")
