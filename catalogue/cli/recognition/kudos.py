"""`kudos …`: what learners thank each other for, and how a campus looks after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, now
from catalogue.cli.recognition.shared import (
    KUDOS,
    KeyOption,
    LimitOption,
    Number,
    Reason,
    SinceOption,
    UntilOption,
    ViewerOption,
    lines,
    moderates,
    print_listed,
    print_one,
    wish,
)
from machine.words import counted

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.recognition.moderating import Moderator

app = Application(no_args_is_help=True)


@app.command()
def give(
    campus: Campus,
    giver: Annotated[str, typer.Argument(help="Who gives: a pseudonym, as wallet show lists it.")],
    receiver: Annotated[str, typer.Argument(help="Who gets them: another one.")],
    say: Annotated[str, typer.Argument(help="A tag and, if you like, a message: '#helpful Thank you for your notes'.")],
    *,
    seen: Annotated[str, typer.Option(help="Who may see them: campus, pair or anonymous.")] = "",
    key: KeyOption = "",
    centre: Centre,
    answer: Answer,
) -> None:
    """Give kudos from one learner to another, within the campus's limits. Nobody gives them to themselves.

    Learners do this on their campus (rewards-agent kudos give) or in their LMS (POST /api/user_kudos).

    Example: rewards-catalogue kudos give uni-example 8f3a… 02bc… "#helpful Thank you for your notes"
    """

    async def work(who: Moderator) -> list[dict[str, Any]]:
        from catalogue.recognition import seeing, words
        from catalogue.recognition.seeing import Viewer

        typed = words.said(say)
        asked = wish(
            campus, KUDOS, giver=giver, receiver=receiver, about=typed.tag, message=typed.text, seen=seen, key=key
        )
        one, _ = await who.give(asked)
        async with who.store.reading() as conn:
            return await seeing.shown(conn, campus, [one], Viewer(all=True))

    (made,) = moderates(centre, campus, work)
    answer.show(made, lines=lambda: lines(made))


@app.command(name="list")
def list_(
    campus: Campus,
    *,
    user: Annotated[str | None, typer.Option(help="Only those that this pseudonym gave or got.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    viewer: ViewerOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = 100,
    centre: Centre,
    answer: Answer,
) -> None:
    """List kudos, the newest first; without --as also the hidden ones, and who gave anonymous ones.

    Example: rewards-catalogue kudos list uni-example --tag helpful --from 2026-09-01
    """
    about = None if tag is None else tag.removeprefix("#")
    print_listed(
        centre, answer, campus, KUDOS, viewer=viewer, since=since, until=until, user=user,
        about=about, limit=limit,
    )  # fmt: skip


@app.command(name="show")
def show_(campus: Campus, no: Number, centre: Centre, answer: Answer) -> None:
    """Show one with who likes it and every comment.

    Example: rewards-catalogue kudos show uni-example 17
    """
    print_one(centre, answer, campus, no, KUDOS)


def _moderated(do: str, doc: str) -> None:
    def command(campus: Campus, no: Number, reason: Reason, centre: Centre) -> None:
        one = moderates(centre, campus, lambda who: who.moderate(no, do, why=reason))
        typer.echo(f"{one.kind} {no} of {campus} is {one.state}")

    command.__doc__ = f'{doc}\n\nExample: rewards-catalogue kudos {do} uni-example 17 --reason "unkind"'
    app.command(name=do)(command)


_moderated("hide", "Let nobody see kudos or an award until it is shown again (unhide).")
_moderated("revoke", "Take kudos or an award back for good; what rules paid for kudos is taken back on the campus.")


@app.command()
def unhide(campus: Campus, no: Number, reason: Reason, centre: Centre) -> None:
    """Show kudos or an award again that was hidden.

    Example: rewards-catalogue kudos unhide uni-example 17 --reason "it was meant well"
    """
    one = moderates(centre, campus, lambda who: who.moderate(no, "show", why=reason))
    typer.echo(f"{one.kind} {no} of {campus} is {one.state}")


@app.command()
def comment(
    campus: Campus,
    no: Number,
    comment: Annotated[int, typer.Argument(help="Which comment, as kudos show numbers them; 0 is the message.", min=0)],
    do: Annotated[str, typer.Argument(help="hide or show.")],
    reason: Reason,
    centre: Centre,
) -> None:
    """Hide a comment on kudos or an award, or the message itself, or show it again.

    Example: rewards-catalogue kudos comment uni-example 17 2 hide --reason "unkind"
    """
    moderates(centre, campus, lambda who: who.moderate_comment(no, comment, do, why=reason))
    typer.echo(f"comment {comment} on {no}: {do}")


@app.command()
def trends(
    campus: Campus,
    days: Annotated[int, typer.Option(min=1, max=366, help="So many days back.")] = 7,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Show the tags used most lately, and how often in as many days before; kudos between two alone count in none.

    Example: rewards-catalogue kudos trends uni-example --days 28
    """

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.recognition import seeing

        return await seeing.trends(conn, campus, days=days, now=now())

    rows = centre.look(look, campus=campus)
    answer.show(
        rows,
        lines=lambda: (
            [f"#{row['tag']:31} {row['kudos']:>7}  {row['kudos'] - row['before']:>+7}  {row['title']}" for row in rows]
            or ["no kudos"]
        ),
    )


@app.command()
def stats(
    campus: Campus,
    user: Annotated[str, typer.Argument(help="The pseudonym.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="So many days back.")] = 30,
    viewer: ViewerOption = None,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Show what one learner gave and got lately, for a digest.

    Example: rewards-catalogue kudos stats uni-example 2mfi7spslsw3rstao7u5yyit --days 28
    """

    async def look(conn: AsyncConnection) -> dict[str, Any]:
        from catalogue.recognition import seeing
        from catalogue.recognition.seeing import Viewer

        sees = Viewer(all=True) if viewer is None else Viewer(learner=viewer)
        return await seeing.stats(conn, campus, user, sees, days=days, now=now())

    found = centre.look(look, campus=campus)
    tags = ", ".join(f"#{tag} {count}" for tag, count in found["tags"].items()) or "-"
    answer.show(
        found,
        lines=lambda: [
            f"{user} in {counted(days, 'day')}: gave {found['given']} kudos, got {found['received']},",
            f"  awards {found['awards']}, liked {counted(found['likes'], 'time')},",
            f"  got for {tags}",
        ],
    )


@app.command()
def choose(
    campus: Campus,
    user: Annotated[str, typer.Argument(help="The pseudonym.")],
    shown: Annotated[str, typer.Argument(help="campus, pair (who gave and who got alone), or none: takes no part.")],
    centre: Centre,
) -> None:
    """Keep what a learner chose: who may see what they get, or that they take no part.

    Example: rewards-catalogue kudos choose uni-example 2mfi7spslsw3rstao7u5yyit pair
    """
    moderates(centre, campus, lambda who: who.choose(user, shown))
    typer.echo(f"{user} of {campus}: {shown}")


@app.command()
def policy(
    campus: Campus,
    change: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE", help="kudos=false, words=false, per_giver=10/1d, per_pair=2/7d, …"),
    ] = None,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Show what a campus lets happen, or change it.

    kudos: at all. words: messages and comments, not tags alone. custom_tags: tags that nobody offered. anonymous: kudos
    that do not say from whom. seen: who sees kudos whose giver does not say (campus or pair). badges: who sees awards
    of badges that the campus gives (pair: the learner alone). per_giver, per_pair and comments: how many in a rolling
    time, such as 10/1d or 3/12h.

    Example: rewards-catalogue kudos policy uni-example words=false per_giver=5/1d
    """

    async def work(who: Moderator) -> Any:
        from catalogue.errors import CatalogueError
        from catalogue.recognition import policy as policies

        said: dict[str, Any] = {}
        for one in change or ():
            name, given, value = one.partition("=")
            if not given:
                raise CatalogueError(f"{one!r} says nothing", hint="NAME=VALUE, such as words=false")
            said[name] = {"true": True, "false": False}.get(value, value)
        if said:
            return await who.change_policy(said)
        async with who.store.reading() as conn:
            return await policies.of_campus(conn, campus)

    rules = moderates(centre, campus, work).told()
    answer.show(rules, lines=lambda: [f"{name:12} {_plain(value)}" for name, value in rules.items()])


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
