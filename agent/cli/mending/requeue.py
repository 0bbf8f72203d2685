"""`rewards-agent events requeue`: what was refused, told nothing or was set aside, put back in line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, emit_one, note, run_async, settings_of, utc
from agent.cli.terms.inforce import SinceOption, UntilOption
from agent.errors import InvalidInputError

if TYPE_CHECKING:
    from agent.config.settings import Settings

COMMAND = "events.requeue"
COLUMNS = ("id", "was", "received_at", "told", "now")


def requeue(  # noqa: PLR0917 - each is an option with a name of its own
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="The source; needed where several have posts, or of a log.")
    ] = "",
    refused: Annotated[bool, typer.Option("--refused", help="Only those that the door refused.")] = False,
    read: Annotated[bool, typer.Option("--read", help="Only those that were let in and read.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="WORD", help="Refused for this: field_missing, event_unknown, not_json …")
    ] = "",
    since: SinceOption = None,
    until: UntilOption = None,
    ids: Annotated[list[int] | None, typer.Option("--id", metavar="N", min=1, help="The number shown.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that would tell nothing new, where they can be read.")
    ] = False,
    show: Annotated[int, typer.Option("--show", metavar="N", min=0, help="So many, one by one.")] = 20,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Put posts back in line, after a mapping, the rules or `[[kind]]` were mended. Shows which; --yes does it.

    Of a log (--source moodle) it is the rows that an older version failed on and set aside: doctor tells of them.

    Looks at posts that the door refused (the last 1,000 of each source) and at those that were read, as long as
    `payloads_keep` keeps them, with the mapping and the rules of today. Those go that would tell something new; the
    times are those of their arrival. What is recorded already is paid once all the same.

    Example: rewards-agent events requeue --source forms --reason field_missing

    Then: rewards-agent events requeue --source forms --reason field_missing --yes
    """
    from agent.cli.terms.inforce import span_of
    from agent.wiring.rules import read_rules

    settings = settings_of(config)
    begin, end = span_of(since, until, read_rules(settings)[1])
    asked = {
        "source": _source(settings, source),
        "sorts": ["aside"]
        if source in {log.name for log in settings.log_sources}
        else _sorts(refused=refused or bool(reason), read=read, reason=reason, ids=ids or ()),
        "sought": {"since": begin, "until": end, "ids": list(ids or ()), "reason": reason},
        "every": every,
        "really": yes,
    }
    looked, sums, posts = run_async(_all(settings, asked, show))
    if json:
        emit_json(
            {"done": yes, "source": asked["source"], **sums, "looked": dict(sorted(looked.items())), "posts": posts}
        )
        return
    requests = ("request_id",) if any("request_id" in post for post in posts) else ()
    emit(posts, (*COLUMNS, *requests), json=False, empty="no such posts")
    emit_one(
        {("goes" if yes else "would go"): sums["moved" if yes else "goes"], "looked at": dict(sorted(looked.items()))},
        json=False,
    )
    if yes and sums["moved"]:
        note("a running agent reads them at once; else: rewards-agent run --until-caught-up")
    elif sums["goes"]:
        note("nothing was changed; with --yes it is done")


def _source(settings: Settings, name: str) -> str:
    names = [one.name for one in settings.post_sources]
    if name or len(names) == 1:
        return name or names[0]
    raise InvalidInputError("--source is missing", hint=f"config.toml has: {', '.join(names) or 'none that posts'}")


def _sorts(*, refused: bool, read: bool, reason: str, ids: list[int] | tuple[()]) -> list[str]:
    if read and reason:
        raise InvalidInputError("--reason is about refused posts", hint="leave out --read")
    sorts = [name for name, wanted in (("refused", refused), ("read", read)) if wanted] or ["refused", "read"]
    if ids and len(sorts) > 1:
        raise InvalidInputError(
            "refused posts and posts that were read are numbered apart", hint="say --refused or --read beside --id"
        )
    return sorts


async def _all(
    settings: Settings, asked: dict[str, Any], show: int
) -> tuple[Counter[str], dict[str, int], list[dict[str, Any]]]:
    """Page after page to the end: counts by what they would come to, how many go, the first that go or cannot."""
    from agent.cli.mending.carried import every_page, working
    from agent.cli.tuning.bar import bar

    looked, sums, posts = Counter[str](), {"goes": 0, "moved": 0}, list[dict[str, Any]]()
    async with working(settings, COMMAND) as ask:
        with bar("looking") as advance:

            def on_page(page: dict[str, Any]) -> None:
                looked.update(page["looked"])
                for name in sums:
                    sums[name] += page[name]
                told = [one for one in page["posts"] if one["now"] != "recorded"]
                for one in told[: max(0, show - len(posts))]:
                    posts.append({**one, "received_at": utc(one["received_at"])})
                advance(looked.total(), 0, f"{looked.total():,} posts, {sums['goes']:,} to put back in line")

            await every_page(ask, asked, on_page)
    return looked, sums, posts
