"""`rewards-agent rules simulate`: what rules would have paid, without paying it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Container, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import ConfigOption, JsonOption, run_async, settings_of
from agent.errors import InvalidInputError

if TYPE_CHECKING:
    import sqlite3

    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings
    from agent.engine.rulebook import Rulebook
    from agent.engine.whatif.trial import Trial

    Rules = tuple[RuleFile, Rulebook]


class Origin(StrEnum):
    """Where the events come from."""

    ledger = "ledger"
    log = "log"


def simulate(
    *,
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="FILE", help="Rules to try."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="FILE", help="A file or a version to compare with; with --rules those that run now."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DAY", help="Count from this day or time on: 2026-09-01.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="Up to the end of this day, or up to this time.")
    ] = None,
    origin: Annotated[
        Origin | None,
        typer.Option("--from", help="What to decide: recorded events, or the log itself; the ledger if there is one."),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option("--price", metavar="PRICE", help='What a point costs, "0.01 GBP"; "reputation=0.02 GBP".'),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write who would gain what, a row for each learner.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write the distribution as a picture.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell who would gain what by rules, over what was recorded or straight from the log. Nothing is written.

    The rules count as in force from the first event: earlier ones fill limits, those since --since are counted. What is
    [[scheduled]] is carried out as soon as it has settled.

    Example: rewards-agent rules simulate --rules autumn.toml --since 2026-09-01 --price "0.01 GBP"
    """
    from agent.cli.terms.inforce import span_of
    from agent.cli.tuning import remarks, worth
    from agent.cli.tuning.report import Report
    from agent.engine.whatif.trial import Trial

    settings = settings_of(config)
    with contextlib.ExitStack() as stack:
        ledger = _ledger(settings, stack)
        if origin is None:
            origin = Origin.ledger if ledger is not None else Origin.log
        sets = _sets(rules, against, settings, ledger)
        begin, end = span_of(since, until, sets[0][1])
        absent = _absent(ledger)
        trials = [Trial(rulebook, since=begin, until=end, absent=absent) for _, rulebook in sets]
        prices = worth.prices(sets[0][0], price or ())
        if origin is Origin.ledger and ledger is None:
            raise InvalidInputError("there is no ledger yet", hint="use --from log")
        _fold(origin, settings, ledger, sets, trials, begin, end)
        now = int(time.time())
        unsettled, *_ = [trial.finish(now) for trial in trials]
        report = Report(
            heading=_heading(origin, since, until, sets, trials),
            trials=trials,
            names=("these rules", "against")[: len(sets)],
            prices=prices,
            remarks=[
                *remarks.of_runs(trials[0].findings, unsettled),
                *remarks.of_origin(settings, ledger if origin is Origin.ledger else None, sets, begin),
            ],
        )
    if csv is not None:
        report.write_csv(csv)
    if svg is not None:
        report.write_svg(svg)
    if json:
        report.as_json()
    else:
        report.show()


def _ledger(settings: Settings, stack: contextlib.ExitStack) -> sqlite3.Connection | None:
    from agent.ledger import file

    data_dir = settings.agent.data_dir
    return stack.enter_context(file.reading(data_dir)) if file.ledger_path(data_dir).exists() else None


def _absent(ledger: sqlite3.Connection | None) -> Container[str]:
    """Who takes no part by now, as far as this agent knows."""
    from agent.ledger.record import agreed, erased

    return agreed.absent(ledger, erased.out_now(ledger)) if ledger is not None else frozenset()


def _sets(
    rules: Sequence[Path] | None, against: str | None, settings: Settings, ledger: sqlite3.Connection | None
) -> list[Rules]:
    """The rules that are asked about, and those they are compared with where these are others."""
    from agent.cli.terms.inforce import rules_in_force
    from agent.cli.tuning.chosen import compiled, named
    from agent.config.rulefile import load_rules

    if rules:
        file = load_rules(tuple(rules))
        sets = [(file, compiled(file))]
    else:
        sets = [rules_in_force(settings, ledger)]
    if against is not None:
        other = named(against, ledger)
        sets.append((other, compiled(other)))
    elif rules:
        running = rules_in_force(settings, ledger)
        sets.extend([running] if running[0].version != sets[0][0].version else [])
    return sets


def _fold(
    origin: Origin,
    settings: Settings,
    ledger: sqlite3.Connection | None,
    sets: Sequence[Rules],
    trials: Sequence[Trial],
    begin: int,
    end: int,
) -> None:
    from agent.cli.tuning import history
    from agent.cli.tuning.bar import bar

    with bar("simulating") as advance:
        if origin is Origin.ledger and ledger is not None:
            history.of_ledger(ledger, trials, end, advance)
        else:
            kinds = history.kinds_of([file for file, _ in sets])
            whose = history.Whose(settings, ledger)
            run_async(history.of_logs(settings, trials, kinds, begin, whose, advance))


def _heading(
    origin: Origin, since: str | None, until: str | None, sets: Sequence[Rules], trials: Sequence[Trial]
) -> dict[str, Any]:
    heading: dict[str, Any] = {
        "from": origin.value,
        "since": since or "the beginning",
        "until": until or "now",
        "rules": sets[0][0].version[:12],
    }
    if len(sets) > 1:
        heading["against"] = sets[1][0].version[:12]
    return heading | {"events": trials[0].events}
