"""`rewards-agent badge …`: which badges there are, who has them, and giving and taking them by hand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ReasonOption, carry_out, ledger_of
from agent.cli.badges import leaving
from agent.cli.frame import LIMIT_MAX, ConfigOption, JsonOption, emit, emit_json, emit_one, note, settings_of, utc
from agent.cli.terms.inforce import ByOption, rules_in_force, whoever
from agent.cli.terms.who import learner_of
from agent.errors import InvalidInputError
from machine.commands import Application

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.rulefile.tables.badge import Badge
    from agent.engine.rulebook import Rulebook

app = Application(
    no_args_is_help=True, help="List, show, give and take badges; make them into files to show elsewhere."
)

_COLUMNS = ("id", "name", "category", "type", "group", "given_by", "held")
_HOLDERS = ("learner", "since", "rule_id", "reason")
BadgeArgument = Annotated[str, typer.Argument(metavar="BADGE", help="The id of a badge.")]
ToOption = Annotated[
    str, typer.Option("--learner", metavar="STUDENT", help="Who: moodle:35, a username, idnumber, e-mail or id.")
]


@app.command("list")
def listed(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List every badge: what gives it, and how many have it.

    Example: rewards-agent badge list
    """
    from agent.ledger.past import shelves

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        counts = shelves.held(connection)
    rows = [_row(badge, rulebook, counts) for badge in rulebook.badges.values()]
    rows += [
        {"id": badge, "name": badge, "given_by": "no rule of today", "held": count}
        for badge, count in counts.items()
        if badge not in rulebook.badges
    ]
    emit([dict.fromkeys(_COLUMNS, "") | row for row in rows], _COLUMNS, json=json, empty="no badges")


@app.command()
def show(
    badge: BadgeArgument,
    limit: Annotated[
        int, typer.Option("--limit", min=0, max=LIMIT_MAX, help="So many of those who have it at most.")
    ] = 50,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show one badge: what it stands for, what earns it, who may give it, and who has it since when and why.

    Example: rewards-agent badge show quiz-ace
    """
    from agent.ledger.past import shelves

    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        counts = shelves.held(connection)
        spec = rulebook.badges.get(badge)
        if spec is None and badge not in counts:
            known = ", ".join(sorted({*rulebook.badges, *counts})) or "none is given"
            raise InvalidInputError(f"there is no badge {badge!r}", hint=f"known: {known}")
        holders = [
            {"learner": one.learner, "since": utc(one.since), "rule_id": one.rule_id, "reason": one.reason}
            for one in shelves.holders(connection, badge, limit=limit)
        ]
    held = counts.get(badge, 0)
    facts: dict[str, Any] = {"id": badge, "given_by": "no rule of today"} if spec is None else _facts(spec, rulebook)
    facts["held"] = held
    if json:
        emit_json({**facts, "holders": holders})
        return
    emit_one({key: value for key, value in facts.items() if value not in ("", [], None)}, json=False)
    if holders:
        emit(holders, _HOLDERS, json=False)
    if held > len(holders):
        note(f"{held} have it; the newest {len(holders)} are shown")


@app.command()
def assign(
    *,
    badge: BadgeArgument,
    learner: ToOption,
    message: Annotated[str, typer.Option("--message", metavar="TEXT", help="Why; it is recorded and shown.")] = "",
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Give a badge by hand, within what the rules allow its givers. The entry says by whom and why.

    Example: rewards-agent badge assign shine-nominee --learner ann@example.org --message "a fine idea" --by "B. Desk"
    """
    result = carry_out(
        config, "badge.assign", badge=badge, learner=_who(config, learner), by=whoever(by), message=message
    )
    _told(result, "has the badge", json=json)


@app.command()
def revoke(
    *,
    badge: BadgeArgument,
    learner: ToOption,
    reason: ReasonOption,
    by: ByOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take a badge back, whatever gave it. Nothing gives it again by itself; only `badge assign` does.

    Example: rewards-agent badge revoke quiz-ace --learner moodle:35 --reason "copied" --by "B. Desk"
    """
    if not reason.strip():
        raise InvalidInputError("taking a badge needs a reason", hint="say why in --reason: the learner can read it")
    result = carry_out(
        config, "badge.revoke", badge=badge, learner=_who(config, learner), by=whoever(by), reason=reason
    )
    _told(result, "no longer has the badge", json=json)


@app.command()
def settle(
    *,
    preview: Annotated[bool, typer.Option("--preview", help="Say what it would come to, change nothing.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Judge every badge of everybody now: what criteria that are new find in what was earned before.

    Without it they find it at each learner's next award. Doing it again changes nothing.

    Example: rewards-agent badge settle --preview
    """
    given, taken, cursor = Counter[str](), Counter[str](), 0
    while True:
        page = carry_out(config, "badge.settle", after=cursor, preview=preview)
        given.update(page["given"])
        taken.update(page["taken"])
        if page["cursor"] is None:
            break
        cursor = page["cursor"]
    if json:
        emit_json({"done": not preview, "given": dict(given), "taken": dict(taken)})
        return
    would = "would be " if preview else ""
    rows = [{"badge": badge, "given": given[badge], "taken": taken[badge]} for badge in sorted({*given, *taken})]
    emit(rows, ("badge", "given", "taken"), json=False, empty=f"no badge {would or 'was '}due")
    if preview:
        note("nothing was changed; without --preview it is done")


app.command()(leaving.credential)
app.command()(leaving.publish)
app.command()(leaving.key)


def _who(config: Path | None, learner: str) -> str:
    settings = settings_of(config)
    with ledger_of(config) as connection:
        return learner_of(settings, connection, learner)


def _told(result: dict[str, Any], said: str, *, json: bool) -> None:
    if json:
        emit_json(result)
    else:
        typer.echo(f"entry {result['seq']}: {result['learner']} {said} {result['badge']}")


def _row(badge: Badge, rulebook: Rulebook, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "id": badge.id,
        "name": badge.title,
        "category": badge.category,
        "type": badge.type,
        "group": badge.group or "",
        "given_by": "; ".join(_ways(badge, rulebook)) or "hand",
        "held": counts.get(badge.id, 0),
    }


def _ways(badge: Badge, rulebook: Rulebook) -> list[str]:
    rules = [rule.id for rule in rulebook.rules if rule.spec.badge == badge.id]
    ways = [f"rule {', '.join(dict.fromkeys(rules))}"] if rules else []
    return [*ways, "criteria"] if badge.wanted() is not None else ways


def _facts(badge: Badge, rulebook: Rulebook) -> dict[str, Any]:
    from agent.engine.recognition.model import told

    wanted = badge.wanted()
    assign_ = badge.assign
    return {
        "id": badge.id,
        "name": badge.title,
        "description": badge.description,
        "category": badge.category,
        "type": badge.type,
        "group": badge.group or "",
        "tags": list(badge.tags) if isinstance(badge.tags, tuple) else [],
        "icon": badge.icon,
        "message": badge.message,
        "mode": badge.mode,
        "given_by": "; ".join(_ways(badge, rulebook)) or "hand",
        "earned_by": told(rulebook.words.criterion(wanted)) if wanted is not None else "",
        "sticky": badge.sticky,
        "effective": " to ".join(day.isoformat() if day else "…" for day in badge.effective if any(badge.effective)),
        "given_by_hand_by": list(assign_.by or ()),
        "given_by_hand_to": list(assign_.to or ()),
        "limits": [limit.text for limit in (*assign_.limit, *assign_.total)],
    }
