"""`rewards-agent kudos …`: learners thank each other, through the catalogue, which learns pseudonyms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.access import ReasonOption, carry_out, ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, note, settings_of, utc
from agent.cli.terms.who import LearnerOption, StudentArgument, learner_of
from machine.commands import Application
from machine.words import counted, on_screen

app = Application(no_args_is_help=True, help="Learners thank each other.")

COLUMNS = ("id", "given_at", "giver", "receiver", "for", "seen", "state", "likes", "comments", "message")
NumberArgument = Annotated[int, typer.Argument(metavar="ID", help="As `kudos list` has it.", min=1)]
DaysOption = Annotated[int, typer.Option("--days", min=1, max=366, help="So many days back.")]


@app.command()
def give(
    student: StudentArgument,
    to: Annotated[str, typer.Argument(metavar="TO", help="Who gets them, named like STUDENT.")],
    say: Annotated[str, typer.Argument(metavar="SAY", help="A tag, and a message if you like: '#helpful Thank you'.")],
    *,
    seen: Annotated[
        str, typer.Option("--seen", metavar="WHO", help="campus, pair, or anonymous; else as the campus has it.")
    ] = "",
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="Ask again for those of this key.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Give kudos from one learner to another: a tag, and a message if you like.

    The catalogue learns two pseudonyms, the tag and the message. How many one learner may give, and give to the same
    learner, the campus has said there; nobody gives them to themselves, and who takes no part gives and gets none.
    Where no answer comes it says so: the same again with --key gives them once.

    Example: rewards-agent kudos give ann@example.org moodle:36 "#helpful Thank you for your notes"
    """
    learner, receiver = _learners(config, student, to)
    told = carry_out(config, "kudos.give", learner=learner, to=receiver, say=say, seen=seen, key=key)
    if json:
        emit_json(told)
        return
    typer.echo(f"kudos {told['id']}: {told['giver']} to {told['receiver']} for #{told['tag']}, seen by {told['seen']}")


@app.command("list")
def listed(
    learner: LearnerOption = None,
    viewer: Annotated[
        str | None, typer.Option("--as", metavar="STUDENT", help="As this learner sees them; else all, the hidden too.")
    ] = None,
    awards: Annotated[bool, typer.Option("--awards", help="Awards instead, badges among them.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="So many at most.")] = 50,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List kudos, the newest first.

    Example: rewards-agent kudos list --as ann@example.org
    """
    fields: dict[str, Any] = {"rows": limit} | ({"kind": "award"} if awards else {})
    if learner is not None:
        (fields["user"],) = _learners(config, learner)
    found = carry_out(config, "kudos.does", act="list", learner=_one(config, viewer), **fields)["rows"]
    emit(found if json else [_row(one) for one in found], COLUMNS, json=json, empty="no kudos")


@app.command()
def show(no: NumberArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show one, with every comment.

    Example: rewards-agent kudos show 17
    """
    told = carry_out(config, "kudos.does", act="show", id=no)
    if json:
        emit_json(told)
        return
    emit([_row(told)], COLUMNS, json=False, empty="")
    for said in told["said"]:
        hidden = "" if said["state"] == "shown" else f" ({said['state']})"
        typer.echo(f"  {said['id']} {utc(said['at'])} {said['user']}{hidden}: {on_screen(said['text'])}")


@app.command()
def like(student: StudentArgument, no: NumberArgument, config: ConfigOption = None) -> None:
    """Like kudos or an award.

    Example: rewards-agent kudos like ann@example.org 17
    """
    _did(config, "like", student, f"likes {no}", id=no)


@app.command()
def unlike(student: StudentArgument, no: NumberArgument, config: ConfigOption = None) -> None:
    """Like it no longer.

    Example: rewards-agent kudos unlike ann@example.org 17
    """
    _did(config, "unlike", student, f"likes {no} no longer", id=no)


@app.command()
def comment(
    student: StudentArgument,
    no: NumberArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is said, in at most 300 characters.")],
    config: ConfigOption = None,
) -> None:
    """Say something about kudos or an award.

    Example: rewards-agent kudos comment ann@example.org 17 "Well deserved"
    """
    _did(config, "comment", student, f"commented on {no}", id=no, text=text)


@app.command("withdraw")
def withdraw(
    student: StudentArgument,
    no: NumberArgument,
    which: Annotated[int, typer.Argument(metavar="COMMENT", help="As `kudos show` numbers them.", min=1)],
    config: ConfigOption = None,
) -> None:
    """Take a learner's own comment away, its words with it.

    Example: rewards-agent kudos withdraw ann@example.org 17 1
    """
    _did(config, "withdraw", student, f"took comment {which} on {no} away", id=no, comment=which)


@app.command("take-back")
def take_back(student: StudentArgument, no: NumberArgument, config: ConfigOption = None) -> None:
    """Take kudos back that a learner gave.

    Example: rewards-agent kudos take-back ann@example.org 17
    """
    _did(config, "back", student, f"took {no} back", id=no)


@app.command()
def choose(
    student: StudentArgument,
    shown: Annotated[str, typer.Argument(metavar="SHOWN", help="campus, pair, or none: takes no part in kudos.")],
    config: ConfigOption = None,
) -> None:
    """Keep who may see what a learner gives and gets: everybody, the two alone, or none of it: they take no part.

    `learner opt-out` chooses none as well.

    Example: rewards-agent kudos choose ann@example.org pair
    """
    _did(config, "choose", student, f"chose {shown}", shown=shown)


@app.command()
def stats(
    student: StudentArgument, days: DaysOption = 30, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Show what a learner gave and got.

    Example: rewards-agent kudos stats ann@example.org --days 90
    """
    told = carry_out(config, "kudos.does", act="stats", learner=_one(config, student), days=days)
    if json:
        emit_json(told)
        return
    awards = counted(told["awards"], "award")
    typer.echo(
        f"{told['user']} in {counted(days, 'day')}: gave {told['given']}, got {told['received']}, {awards},"
        f" liked {counted(told['likes'], 'time')}"
    )
    for tag, count in told["tags"].items():
        typer.echo(f"  #{tag} {count}")


@app.command()
def trends(days: DaysOption = 7, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the tags used most lately, how often before, and which tags are offered.

    Example: rewards-agent kudos trends --days 30
    """
    told = carry_out(config, "kudos.does", act="trends", days=days)
    if json:
        emit_json(told)
        return
    emit(told["used"], ("tag", "kudos", "before", "title"), json=False, empty="no kudos")
    offered = " ".join(f"#{one['tag']}" for one in told["offered"] if one["state"] == "offered")
    note(f"offered: {offered}")


@app.command()
def moderate(
    no: NumberArgument,
    do: Annotated[str, typer.Argument(metavar="DO", help="hide, show, or revoke: for good.")],
    reason: ReasonOption,
    which: Annotated[
        int | None, typer.Option("--comment", metavar="N", min=0, help="This comment of it; 0 is the message.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Hide kudos, an award, a comment or a message, show it again, or revoke it; the catalogue keeps who and why.

    Example: rewards-agent kudos moderate 17 hide --reason "a joke that hurt"
    """
    fields: dict[str, Any] = {"id": no, "do": do, "why": reason}
    carry_out(config, "kudos.does", act="moderate", **fields | ({} if which is None else {"comment": which}))
    typer.echo(f"{no}: {do}")


def _did(config: Path | None, act: str, student: str, told: str, **fields: Any) -> None:
    learner = _one(config, student)
    carry_out(config, "kudos.does", act=act, learner=learner, **fields)
    typer.echo(f"{learner} {told}")


def _one(config: Path | None, student: str | None) -> str:
    return "" if student is None else _learners(config, student)[0]


def _learners(config: Path | None, *students: str) -> list[str]:
    """The learners meant: the LMS is asked for who is not known."""
    settings = settings_of(config)
    with ledger_of(config) as connection:
        return [learner_of(settings, connection, student) for student in students]


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    about = f"#{one['tag']}" if "tag" in one else one["badge"]
    return {**one, "given_at": utc(one["given_at"]), "for": about, "giver": one["giver"] or "-"}
