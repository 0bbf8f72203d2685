"""`award …`: what a campus recognises learners for by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, act
from catalogue.cli.recognition.shared import (
    AWARD,
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

if TYPE_CHECKING:
    from catalogue.recognition.moderating import Moderator
    from catalogue.store import Store

app = Application(no_args_is_help=True)


@app.command()
def give(
    campus: Campus,
    badge: Annotated[str, typer.Argument(help="What for: a badge of the campus, or the award's own name.")],
    receiver: Annotated[str, typer.Argument(help="Who gets it: a pseudonym, as wallet show lists it.")],
    *,
    giver: Annotated[str, typer.Option(help="The learner who gives it; without it the campus does.")] = "",
    message: Annotated[str, typer.Option(help="What is said with it. Write no names into it.")] = "",
    seen: Annotated[str, typer.Option(help="Who may see it: campus or pair.")] = "",
    key: KeyOption = "",
    centre: Centre,
    answer: Answer,
) -> None:
    """Put an award on record, with who gave it and what was said; learners can like it and say something.

    It moves no points and gives no badge: on the campus, rewards-agent badge assign does that, and makes an award here.

    Example: rewards-catalogue award give uni-example shine 8f3a… --message "For helping the new ones"
    """

    async def work(who: Moderator) -> Any:
        from catalogue.recognition import seeing
        from catalogue.recognition.seeing import Viewer

        asked = wish(campus, AWARD, giver=giver, receiver=receiver, about=badge, message=message, seen=seen, key=key)
        one, _ = await who.give(asked)
        async with who.store.reading() as conn:
            return (await seeing.shown(conn, campus, [one], Viewer(all=True)))[0]

    made = moderates(centre, campus, work)
    answer.show(made, lines=lambda: lines(made))


@app.command(name="list")
def list_(
    campus: Campus,
    *,
    user: Annotated[str | None, typer.Option(help="Only those that this pseudonym gave or got.")] = None,
    badge: Annotated[str | None, typer.Option(help="Only these.")] = None,
    viewer: ViewerOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = 100,
    centre: Centre,
    answer: Answer,
) -> None:
    """List awards, the newest first, with giver, receiver, message, and who took which back and why.

    Example: rewards-catalogue award list uni-example --badge shine
    """
    print_listed(
        centre, answer, campus, AWARD, viewer=viewer, since=since, until=until, user=user,
        about=badge, limit=limit,
    )  # fmt: skip


@app.command(name="show")
def show_(campus: Campus, no: Number, centre: Centre, answer: Answer) -> None:
    """Show one with who likes it and every comment.

    Example: rewards-catalogue award show uni-example 17
    """
    print_one(centre, answer, campus, no, AWARD)


@app.command()
def revoke(campus: Campus, no: Number, reason: Reason, centre: Centre) -> None:
    """Take an award back for good; who, when and why stays on record (audit list).

    Example: rewards-catalogue award revoke uni-example 17 --reason "given to the wrong one"
    """
    one = moderates(centre, campus, lambda who: who.moderate(no, "revoke", why=reason, kind=AWARD))
    typer.echo(f"award {no} of {campus} is {one.state}")


@app.command(name="catch-up")
def catch_up(campus: Campus, centre: Centre, answer: Answer) -> None:
    """Put the badges on record that agents gave before badges were awards here; once each, so it may be run again.

    It looks at the whole ledger of the campus, a part at a time, and may be broken off. Learners who were erased are
    left out where their campus has a recovery key.

    Example: rewards-catalogue award catch-up uni-example
    """

    async def work(store: Store) -> dict[str, Any]:
        from catalogue import acts
        from catalogue.recognition.agents import catching
        from catalogue.wallets import carried

        async with store.reading() as conn:
            begins = await carried.begins(conn, campus)
        after, made, left_out, more = begins.no, 0, 0, True
        while more:
            async with store.writing() as conn:
                part = await catching.some(conn, campus, after)
                if part.made:
                    await acts.note(conn, act(campus, "award.catch-up"), made=part.made, left_out=part.left_out)
            after, more = part.upto, part.more
            made, left_out = made + part.made, left_out + part.left_out
        return {"made": made, "left_out": left_out, "archived": begins.told(campus) if begins.no else ""}

    done = centre.do(work, campus=campus)
    told_lines = [f"{done['made']} badges of {campus} were put on record"]
    told_lines += [f"{done['left_out']} of learners who were erased were not"] if done["left_out"] else []
    told_lines += [f"not looked at: {done['archived']}"] if done["archived"] else []
    answer.show(done, lines=lambda: told_lines)
