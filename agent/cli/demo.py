"""`rewards-agent demo`: the whole main job on an embedded campus, with nothing installed beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.errors import ConfigError, IntegrityError, RewardsError
from machine.commands import Application

if TYPE_CHECKING:
    from agent.demo.stage.proof import Proof

WITHOUT_TERMINAL_S = 18.0
"""How long the campus lives where nobody watches; with setting up and proving about thirty seconds."""


app = Application()


@app.command()
def demo(
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=3, help="How long the campus lives; on a terminal until Ctrl-C, elsewhere 18 s."),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Play in this new directory and keep it.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="The catalogue's port on 127.0.0.1; else a free one.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines on a terminal too.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="The same number makes the same campus.")] = 1,
) -> None:
    """Show everything on an embedded campus: 40 learners, a real catalogue, an outage, and a proof at the end.

    Example: rewards-agent demo --seconds 30 --dir campus
    """
    from rich.console import Console

    from agent.demo.stage.place import Place, free_port
    from agent.demo.stage.play import Play, Script, name_of
    from agent.demo.stage.screen import Moving, Plain

    watched = sys.stdout.isatty()
    if seconds is None and not watched:
        seconds = WITHOUT_TERMINAL_S
    place = Place(directory=_new_directory(directory), port=port or free_port())
    console = Console()
    names = name_of(place)
    try:
        with Moving(console, names) if watched and not plain else Plain(console, names) as screen:
            proof = Play(place, Script(seconds=seconds, seed=seed), screen).perform()
    except RewardsError:
        sys.stdout.write(f"What there was is kept in {place.directory}\n")
        raise
    _tell(proof, place.directory, keep=directory is not None)


def _new_directory(wanted: Path | None) -> Path:
    if wanted is None:
        import tempfile

        return Path(tempfile.mkdtemp(prefix="rewards-demo-"))
    if wanted.exists() and (not wanted.is_dir() or any(wanted.iterdir())):
        raise ConfigError(f"{wanted} is not empty", hint="name a new directory, or leave --dir out")
    return wanted.absolute()


def _tell(proof: Proof, directory: Path, *, keep: bool) -> None:
    import shutil

    from agent.demo.stage.proof import told

    for line in told(proof):
        sys.stdout.write(f"{line}\n")
    if proof.differences:
        raise IntegrityError(
            f"log, ledger and catalogue do not agree: {proof.differences[0]}",
            hint=f"everything is kept in {directory}",
        )
    sys.stdout.write("Log, ledger and catalogue agree to the point.\n")
    if keep:
        sys.stdout.write(
            f"Kept: {directory} (look into it: rewards-agent status --config {directory / 'config.toml'})\n"
        )
    else:
        shutil.rmtree(directory, ignore_errors=True)
