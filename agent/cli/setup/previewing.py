"""What the rules of a new campus would have paid so far: decided from the log itself, and nothing is written."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from agent.errors import RewardsError

if TYPE_CHECKING:
    from agent.config.settings import Settings

_TERMS = ((2, 1), (9, 1))
"""Months and days at which semesters begin in most places; what is proposed can be typed over."""


def offered(settings: Settings, since: str, *, possible: bool) -> None:
    """Show it since the day that was named, or ask on a terminal; a log that cannot be read yet has nothing to show."""
    if not possible:
        if since:
            typer.echo(
                f"\nOnce the account works, the preview: rewards-agent rules simulate --from log --since {since}"
            )
        return
    if not since and sys.stdin.isatty() and typer.confirm("\nShall I tell what these rules would have paid so far?"):
        since = typer.prompt("Since when?", default=_term_began(datetime.now(UTC)))
    if since:
        _show(settings, since)


def _term_began(now: datetime) -> str:
    begun = [datetime(year, *term, tzinfo=UTC) for year in (now.year - 1, now.year) for term in _TERMS]
    return f"{max(day for day in begun if day <= now):%Y-%m-%d}"


def _show(settings: Settings, since: str) -> None:
    """The same as `rules simulate --from log`; a preview that fails leaves what was set up as it is."""
    from agent.cli.tuning.simulate import Origin, simulate

    typer.echo(f"\nWhat these rules would have paid since {since} (nothing is written):\n")
    try:
        simulate(since=since, origin=Origin.log, config=settings.path)
    except RewardsError as exc:
        typer.echo(f"  {exc}")
