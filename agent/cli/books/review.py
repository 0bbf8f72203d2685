"""`rewards-agent review …`: decisions that wait for a person, and what that person says."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agent.cli.access import carry_out, ledger_of
from agent.cli.books import sheet
from agent.cli.books.applying import apply
from agent.cli.books.suspicion import anomalies, flags
from agent.cli.frame import LIMIT_MAX, ConfigOption, JsonOption, emit, emit_json, note, settings_of, text_of, utc
from agent.cli.terms.inforce import ByOption, amount_text, amounts_text, rules_in_force, whoever
from agent.cli.terms.who import LearnerOption, learner_of
from agent.errors import InvalidInputError
from agent.model import HoldKind
from machine.commands import Application, Options, confirmed

if TYPE_CHECKING:
    from pathlib import Path

    from agent.engine.rulebook import Rulebook
    from agent.ledger.reading import DecisionRow
    from agent.model import Decision

app = Application(no_args_is_help=True, help="Decisions that are held: list, approve, reject.")
app.command()(flags)
app.command()(anomalies)
app.command()(apply)

COLUMNS = ("decision", "occurred_at", "learner", "rule_id", "would_pay", "kind", "reason", "log")
SETTLED_COLUMNS = ("decision", "occurred_at", "learner", "rule_id", "would_pay", "state", "settled_by", "note")
_EVIDENCE_MAX = 1_000
_AT_ONCE = 500
"""Decisions that one request to a running agent settles."""

RuleOption = Annotated[str | None, typer.Option("--rule", metavar="RULE", help="Held by this rule.")]
KindOption = Annotated[
    HoldKind | None, typer.Option("--kind", help="What they wait for: how an event is believed, a fact, roles, …")
]
Numbers = Annotated[list[int] | None, typer.Argument(metavar="N", help="Numbers of decisions, as `review list` shows.")]
OlderOption = Annotated[
    str | None, typer.Option("--older-than", metavar="TIME", help="Waiting for so long: 3d, 12h, 2w.")
]
AmountOption = Annotated[
    list[str] | None,
    typer.Option("--amount", metavar="AMOUNT", help="Approve this instead of what was promised: points=40."),
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Write a spreadsheet for `review apply`.")]
AllOption = Annotated[bool, typer.Option("--all", help="Everything that is held, without a filter.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before settling what a filter found.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Options):
    """Which decisions: whose, by which rule, waiting for what and how long; all of them where it is bare."""

    learner: LearnerOption = None
    rule: RuleOption = None
    kind: KindOption = None
    older_than: OlderOption = None

    @property
    def is_bare(self) -> bool:
        """Whether it leaves nothing out."""
        return all(each is None for each in (self.learner, self.rule, self.kind, self.older_than))

    def found(self, config: Path | None, state: str = "open") -> list[DecisionRow]:
        """Those of them that became ``state``.

        Raises:
            InvalidInputError: there is no such learner, or time.
        """
        from agent.ledger import reading

        settings = settings_of(config)
        with ledger_of(config) as connection:
            who = learner_of(settings, connection, self.learner) if self.learner else ""
            until = int(time.time()) - _seconds(self.older_than) if self.older_than else 2**62
            rows = reading.holds(connection, state=state, learner=who, until=until)
        decided = ((row, row.decision) for row in rows)
        return [row for row, one in decided if self.rule in {None, one.rule_id} and self.kind in {None, one.hold}]


@app.command("list")
def listed(
    *,
    of: Filter,
    state: Annotated[
        Literal["open", "approved", "rejected", "superseded", "all"],
        typer.Option("--state", help="What became of them."),
    ] = "open",
    counts: Annotated[bool, typer.Option("--counts", help="Only how many, by rule and reason.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=LIMIT_MAX, help="So many at most.")] = 100,
    csv: CsvOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the decisions that are held, oldest first: who would get what, and what it waits for.

    Nothing of them is paid until somebody approves, or until what was missing is seen. `rewards-agent events explain`
    with the number under "log" tells all about one.

    Example: rewards-agent review list --rule quiz-80 --kind backdated
    """
    rows = of.found(config, state)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings_of(config), connection)
        if csv:
            sheet.write((_sheet_row(connection, row, rulebook) for row in rows), sys.stdout.buffer)
            return
    if counts:
        emit(_counted(rows), ("rule_id", "kind", "reason", "held"), json=json, empty="nothing is held")
        return
    shown = [_row(row, rulebook) for row in rows[:limit]]
    emit(shown, COLUMNS if state == "open" else SETTLED_COLUMNS, json=json, empty="nothing is held")
    if rows and not json:
        by_kind = Counter(row.decision.hold.value if row.decision.hold else "" for row in rows)
        more = f"; the first {limit} are shown" if len(rows) > limit else ""
        note(f"{len(rows)} in all: {', '.join(f'{number} {name}' for name, number in by_kind.most_common())}{more}")


@app.command()
def approve(
    *,
    numbers: Numbers = None,
    of: Filter,
    everything: AllOption = False,
    amount: AmountOption = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")] = "",
    by: ByOption = "",
    yes: YesOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Pay what held decisions promised, where their limits leave room by now; exits with 1 where one cannot be paid.

    Name them by number, or choose them by a filter; what a filter found is counted and asked about first.

    Example: rewards-agent review approve 17 18 --by "B. Desk"

    With `--amount` another amount is paid, inside the guardrails that the rule writes, else no more than was promised.

    Example: rewards-agent review approve 19 --amount points=40 --reason "two of three parts" --by "B. Desk"

    Example: rewards-agent review approve --rule lesson-completed --kind backdated --by "B. Desk"
    """
    chosen = _chosen(config, numbers, of, everything=everything, ask="" if yes else "Pay")
    amounts = {}
    if amount:
        with ledger_of(config) as connection:
            _, rulebook = rules_in_force(settings_of(config), connection)
            amounts = sheet.amounts_of(amount, _one_of(connection, chosen), rulebook)
    _settle(config, "review.approve", chosen, reason=reason, by=whoever(by), json=json, amounts=amounts)


@app.command()
def reject(
    *,
    numbers: Numbers = None,
    of: Filter,
    everything: AllOption = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the learner is told.")],
    by: ByOption = "",
    yes: YesOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Close held decisions without paying, with a reason that the learner is told.

    Example: rewards-agent review reject 17 --reason "handed in for somebody else" --by "B. Desk"
    """
    if not reason.strip():
        raise InvalidInputError("a rejection needs a reason", hint="say why in --reason: the learner is told")
    chosen = _chosen(config, numbers, of, everything=everything, ask="" if yes else "Reject")
    _settle(config, "review.reject", chosen, reason=reason, by=whoever(by), json=json)


def _chosen(config: Path | None, numbers: Sequence[int] | None, of: Filter, *, everything: bool, ask: str) -> list[int]:
    """The numbers that were named, or those that the filter finds and the person confirms.

    Raises:
        InvalidInputError: neither numbers nor a filter, or both; or the filter finds nothing.
    """
    filtered = everything or not of.is_bare
    if bool(numbers) == filtered:
        raise InvalidInputError(
            "name decisions by number, or choose them by --learner, --rule, --kind, --older-than or --all",
            hint="see: rewards-agent review list",
        )
    if numbers:
        for number in numbers:
            if not 0 < number < 2**63:
                raise InvalidInputError(f"there is no decision {number}", hint="see: rewards-agent review list")
        return list(dict.fromkeys(numbers))
    found = of.found(config)
    if not found:
        raise InvalidInputError("nothing that is held fits", hint="see: rewards-agent review list")
    if ask:
        for line in _counted(found):
            note(f"  {line['held']} by {line['rule_id']}: {line['reason']}")
        confirmed(f"{ask} {len(found)} held decisions?")
    return [row.decision_no for row in found]


def _seconds(text: str) -> int:
    from agent.config import grammar

    if not grammar.is_duration(text):
        raise InvalidInputError(f"{text!r} is not a time", hint="write 3d, 12h or 2w")
    return grammar.duration(text)


def _sheet_row(connection: sqlite3.Connection, row: DecisionRow, rulebook: Rulebook) -> dict[str, Any]:
    from agent.ledger import reading

    event = reading.event_by_no(connection, row.event_no)
    told = {name: fact for name, fact in (event.seen.facts if event else {}).items() if ":" not in name}
    evidence = "; ".join(f"{name}={text_of(fact)}" for name, fact in sorted(told.items()))
    shown = _row(row, rulebook)
    return shown | {"held_because": shown["reason"], "evidence": evidence[:_EVIDENCE_MAX]}


def _counted(rows: Sequence[DecisionRow]) -> list[dict[str, Any]]:
    found = Counter(
        (row.decision.rule_id, row.decision.hold.value if row.decision.hold else "", row.decision.reason)
        for row in rows
    )
    return [
        {"rule_id": rule, "kind": kind, "reason": reason, "held": held}
        for (rule, kind, reason), held in found.most_common()
    ]


def _row(row: DecisionRow, rulebook: Rulebook) -> dict[str, Any]:
    decision = row.decision
    return {
        "decision": row.decision_no,
        "occurred_at": utc(row.occurred_at),
        "learner": decision.learner,
        "rule_id": decision.rule_id,
        "would_pay": _promised(decision.postings, rulebook),
        "kind": decision.hold.value if decision.hold else "",
        "reason": decision.reason,
        "log": f"{row.source}:{row.position}",
        "event_id": decision.event_id.hex(),
        "state": row.hold_state,
        "settled_by": row.settled_by,
        "note": row.note,
    }


def _promised(postings: Sequence[Any], rulebook: Rulebook) -> dict[str, str]:
    return {one.currency: amount_text(one.currency, one.amount, rulebook) for one in postings}


def _one_of(connection: sqlite3.Connection, numbers: Sequence[int]) -> Decision | None:
    from agent.ledger import reading

    found = reading.held(connection, numbers[0]) if len(numbers) == 1 else None
    return found[0].decision if found else None


def _settle(
    config: Path | None,
    command: str,
    numbers: list[int],
    *,
    reason: str,
    by: str,
    json: bool,
    amounts: dict[str, int] | None = None,
) -> None:
    results: list[dict[str, Any]] = []
    for start in range(0, len(numbers), _AT_ONCE):
        some = numbers[start : start + _AT_ONCE]
        more = {"amounts": amounts} if amounts else {}
        results += carry_out(config, command, decisions=some, reason=reason, by=by, **more)
    if json:
        emit_json(results)
    else:
        with ledger_of(config) as connection:
            _, rulebook = rules_in_force(settings_of(config), connection)
        for result in results:
            typer.echo(_line(result, rulebook))
    if any(result["outcome"] == "refused" for result in results):
        raise typer.Exit(1)


def _line(result: dict[str, Any], rulebook: Rulebook) -> str:
    number = result["decision"]
    if result["outcome"] == "refused":
        hint = f" ({result['hint']})" if result.get("hint") else ""
        return f"{number}: not settled: {result['reason']}{hint}"
    if result["outcome"] == "decided again":
        return f"{result['learner']}: {result['count']} decided again: what had blocked it is rejected"
    if result["outcome"] == "rejected":
        return f"{number}: rejected, nothing is paid"
    return f"{number}: approved, paid {amounts_text(result['postings'], rulebook)}"
