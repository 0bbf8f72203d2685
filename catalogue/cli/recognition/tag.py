"""`tag …`: what kudos are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre
from catalogue.cli.recognition.shared import moderates

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

app = Application(no_args_is_help=True)

Tag = Annotated[str, typer.Argument(help="One word: helpful, or #helpful.")]


@app.command(name="list")
def list_(campus: Campus, centre: Centre, answer: Answer) -> None:
    """List the tags that a campus offers or blocks; where custom_tags is on, learners may use others as well.

    Example: rewards-catalogue tag list uni-example
    """

    async def look(conn: AsyncConnection) -> list[dict[str, Any]]:
        from catalogue.recognition import tags

        return tags.listed(await tags.of_campus(conn, campus))

    rows = centre.look(look, campus=campus)
    answer.show(rows, lines=lambda: [f"#{row['tag']:31} {row['state']:8} {row['title']}" for row in rows])


@app.command()
def put(
    campus: Campus,
    tag: Tag,
    title: Annotated[str, typer.Option(help="What it is for, as people read it.")] = "",
    *,
    centre: Centre,
) -> None:
    """Offer a tag, or call it something else.

    Example: rewards-catalogue tag put uni-example lab-safety --title "Keeps the lab safe"
    """
    moderates(centre, campus, lambda who: who.put_tag(tag, title=title))
    typer.echo(f"#{tag.removeprefix('#')} is offered at {campus}")


@app.command()
def block(campus: Campus, tag: Tag, centre: Centre) -> None:
    """Let nobody use a tag, and show it in no trend; kudos that have it stay.

    Example: rewards-catalogue tag block uni-example lazy
    """
    moderates(centre, campus, lambda who: who.put_tag(tag, state="blocked"))
    typer.echo(f"#{tag.removeprefix('#')} is blocked at {campus}")


@app.command()
def remove(campus: Campus, tag: Tag, centre: Centre) -> None:
    """Forget what was said of a tag: a predefined one is offered as it was, another one is a custom one.

    Example: rewards-catalogue tag remove uni-example lazy
    """
    moderates(centre, campus, lambda who: who.remove_tag(tag))
    typer.echo(f"nothing is said of #{tag.removeprefix('#')} at {campus} any more")
