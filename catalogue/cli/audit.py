"""`audit list`: who did what when, and what it changed."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Centre, days, iso

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

app = Application(no_args_is_help=True)

CHANGES_CHARS_MAX = 160


@app.callback()
def group() -> None:
    """Who did what, and what it changed."""


@app.command(name="list")
def list_(
    campus: Annotated[str | None, typer.Argument(help="Only this campus's; '*' is what concerns all.")] = None,
    *,
    act: Annotated[str | None, typer.Option(help="Only these: reward.change, or reward for all of them.")] = None,
    about: Annotated[str | None, typer.Option(help="Only what was done to this: a reward, an agent, …")] = None,
    by: Annotated[str | None, typer.Option(help="Only this one's acts: 'operator ann', 'agent agent-1', …")] = None,
    since: Annotated[str, typer.Option("--from", help="The first day (UTC): 2026-09-01.")] = "",
    until: Annotated[str, typer.Option(help="The last day (UTC), included.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 100,
    centre: Centre,
    answer: Answer,
) -> None:
    """List acts, newest first: the time, who, what, and each value before and after. Secrets are never written down.

    Example: rewards-catalogue audit list uni-example --act reward --from 2026-09-01
    """
    begin, end = days(since, until)
    wanted = {"campus": campus, "act": act, "about": about, "by": by, "since": begin, "until": end}

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue import acts

        rows = []
        async for row in acts.listed(conn, wanted):
            rows.append(row)
            if len(rows) == limit:
                break
        return rows

    rows = centre.look(look, owner="*" if campus is None else campus)
    answer.show(rows, lines=lambda: [line for row in rows for line in _lines(row)] or ["no acts"])


def _lines(row: dict[str, Any]) -> list[str]:
    why = f"  ({row['why']})" if row["why"] else ""
    head = f"{iso(row['at'])}  {row['campus']} {row['no']}  {row['by']}: {row['act']} {row['about']}".rstrip() + why
    return [head, *(f"    {line}"[:CHANGES_CHARS_MAX] for line in islice(_changes(row), 20))]


def _changes(row: dict[str, Any]) -> list[str]:
    lines = []
    for name in sorted({*row["before"], *row["after"]}):
        was, now = row["before"].get(name), row["after"].get(name)
        if was is None or now is None:
            kept = {key: _dated(key, value) for key, value in (now or was).items() if value not in (None, "", [], {})}
            lines.append(f"{'+' if was is None else '-'} {name}: {_short(kept)}")
            continue
        lines += [f"{name}: {key} {_told(key, was)} → {_told(key, now)}" for key in sorted({*was, *now})]
    return lines


def _told(key: str, row: dict[str, Any]) -> str:
    return _short(_dated(key, row.get(key)))


def _dated(key: str, value: Any) -> Any:
    """A time as people read it."""
    return iso(value) if key.endswith("_at") and isinstance(value, int) else value


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
