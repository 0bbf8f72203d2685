"""`codes import|withdraw|free`: codes that a partner gave beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalogue.cli.common import Answer, Application, Campus, Centre, act, now, text_of
from catalogue.cli.rewards.reward import Name
from machine.words import counted

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.redemption.desk import Desk

app = Application(no_args_is_help=True)

_FORM = "A code on each line, or CSV with a header: code,expires_at; - is stdin."


@app.command(name="import")
def import_(
    campus: Campus,
    reward: Name,
    file: Annotated[Path, typer.Argument(help=_FORM)],
    centre: Centre,
    answer: Answer,
) -> None:
    """Put codes into a campus's pool for a reward; one that was held back is free again, others are left alone.

    Example: rewards-catalogue codes import uni-example books codes.txt
    """

    async def work(desk: Desk) -> dict[str, int]:
        from catalogue import acts
        from catalogue.redemption import pool

        given = pool.read(text_of(file))
        async with desk.store.writing() as conn:
            owner = await _owner(conn, campus, reward)
            before = await pool.free(conn, campus, owner, reward, now=now())
            new = await pool.add(conn, desk.vault, campus, owner, reward, given, now=now())
            left = await pool.free(conn, campus, owner, reward, now=now())
            if new or left != before:
                await acts.note(conn, act(campus, "codes.import", reward), read=len(given), new=new, free=left)
        return {"read": len(given), "new": new, "free": left}

    found = centre.at_desk(work, campus=campus)
    answer.show(
        found,
        lines=lambda: [f"{counted(found['read'], 'code')}, {found['new']} new; {found['free']} can be given out"],
    )


@app.command()
def withdraw(
    campus: Campus,
    reward: Name,
    file: Annotated[Path | None, typer.Argument(help=f"Only these. {_FORM}", show_default="all")] = None,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Hold codes back that nobody got yet: the partner called them back, or somebody may have got them.

    `codes import` of a code, or `codes free` of all, lets them be given out again.

    Example: rewards-catalogue codes withdraw uni-example books called-back.txt
    """
    given = None if file is None else text_of(file)

    async def work(desk: Desk) -> dict[str, int]:
        from catalogue import acts
        from catalogue.redemption import pool

        some = None if given is None else pool.read(given)
        async with desk.store.writing() as conn:
            owner = await _owner(conn, campus, reward)
            held = await pool.withdraw(conn, desk.vault, campus, owner, reward, some)
            left = await pool.free(conn, campus, owner, reward, now=now())
            if held:
                await acts.note(conn, act(campus, "codes.withdraw", reward), held=held, free=left)
        return {"held": held, "free": left}

    _show(answer, centre.at_desk(work, campus=campus), "held back")


@app.command()
def free(campus: Campus, reward: Name, centre: Centre, answer: Answer) -> None:
    """Let all codes be given out again that were held back.

    Example: rewards-catalogue codes free uni-example books
    """

    async def work(desk: Desk) -> dict[str, int]:
        from catalogue import acts
        from catalogue.redemption import pool

        async with desk.store.writing() as conn:
            owner = await _owner(conn, campus, reward)
            freed = await pool.let_go(conn, campus, owner, reward)
            left = await pool.free(conn, campus, owner, reward, now=now())
            if freed:
                await acts.note(conn, act(campus, "codes.free", reward), freed=freed, free=left)
        return {"freed": freed, "free": left}

    _show(answer, centre.at_desk(work, campus=campus), "free again")


async def _owner(conn: AsyncConnection, campus: str, reward: str) -> str:
    """Whose reward it is, which must be one of codes."""
    from catalogue.errors import CatalogueError
    from catalogue.rewards import shelf

    found = await shelf.offered(conn, campus, reward)
    if found is None or found.reward.handing != "codes":
        raise CatalogueError(
            f"{campus} has no reward {reward} that is handed out as codes",
            hint=f"one is made so: rewards-catalogue reward add {campus} {reward} --handing codes …",
        )
    return found.owner


def _show(answer: Answer, counts: dict[str, int], what: str) -> None:
    changed = next(iter(counts.values()))
    answer.show(
        counts,
        lines=lambda: [f"{counted(changed, 'code is', 'codes are')} {what}; {counts['free']} can be given out"],
    )
