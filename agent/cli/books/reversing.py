"""`rewards-agent ledger reverse --rule …`: a bad Friday undone, after a look at what it comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from agent.cli.access import carry_out, ledger_of
from agent.cli.frame import emit_json, note, settings_of
from agent.cli.terms.inforce import amounts_text, rules_in_force, span_of, whoever
from machine.commands import confirmed
from machine.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from agent.engine.rulebook import Rulebook


def reverse_rule(
    config: Path | None,
    *,
    rule: str,
    since: str | None,
    until: str | None,
    preview: bool,
    yes: bool,
    reason: str,
    by: str,
    json: bool,
) -> None:
    """Say what still stands of a rule's awards and, unless it is a preview, ask and answer them all."""
    settings = settings_of(config)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
    begin, end = span_of(since, until, rulebook)
    span = {"rule": rule, "since": begin, "until": end}
    found = carry_out(config, "ledger.reverse-rule", **span, preview=True)
    if not preview and found["entries"]:
        if not yes:
            note(_sentence(found, rulebook))
            confirmed("Reverse all of it?")
        found = carry_out(config, "ledger.reverse-rule", **span, reason=reason, by=whoever(by))
    if json:
        emit_json(found)
        return
    typer.echo(_sentence(found, rulebook))
    if not preview and found["entries"]:
        typer.echo(f"reversed by {counted(found['reversed'], 'entry', 'entries')}")


def _sentence(found: dict[str, Any], rulebook: Rulebook) -> str:
    if not found["entries"]:
        return f"nothing that {found['rule']} paid in that time still stands"
    paid = amounts_text(found["amounts"], rulebook)
    erased = f"; of awards of erased persons {found['erased']} stay as they are" if found["erased"] else ""
    awards, learners = counted(found["awards"], "award"), counted(found["learners"], "learner")
    return f"{found['rule']}: {awards} to {learners}, {paid}{erased}"
