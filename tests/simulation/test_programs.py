"""A simulated program is asked only while it is the one that takes questions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

from sim.loop import VirtualLoop
from sim.network import Network
from sim.programs import Program
from sim.trace import Trace


def test_what_is_typed_while_a_stopped_program_is_brought_back_is_answered_by_nobody(tmp_path: Path) -> None:
    """A wish was answered by a life that was over, inside the command that fetched its ledger anew."""
    loop = VirtualLoop(Random("1"), Network(Random("1"), Trace(Path())))
    (tmp_path / "agent.1").mkdir()

    async def answered() -> str:
        return "answered"

    async def life(program: Program) -> int:
        program.commands = {"redeem": answered}
        await asyncio.Event().wait()
        return 0

    agent = Program(
        name="agent", home=tmp_path / "agent.1", main=life, loop=loop, trace=Trace(tmp_path), chance=Random("1")
    )

    async def asked() -> tuple[str | None, str | None]:
        agent.supervise()
        await asyncio.sleep(1)
        before = await agent.typed("redeem")
        await agent.down()
        command = asyncio.create_task(agent.command(lambda: asyncio.sleep(5), 0))
        await asyncio.sleep(1)
        meanwhile = await agent.typed("redeem")
        await command
        return before, meanwhile

    assert loop.run_until_complete(asked()) == ("answered", None)
    loop.close()
