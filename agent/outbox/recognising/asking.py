"""Asks the catalogue for what has to do with recognition, again under the same key, and says what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from agent.errors import ConfigError, InvalidInputError, TransientError
from agent.ledger import delivery, file
from agent.outbox.redeeming.talk import Said, Talk, Unknown
from wire.recognition.deed import PATH, Deed

KEY_BYTES = 9
TRIES = 3
"""How often one thing is asked for; all of it is the same again under its key."""


class Asking:
    """``deliver`` brings what is on its way to the catalogue first: who is new is known there before they are named.

    ``secret`` gives bytes that nobody can guess.
    """

    def __init__(
        self, *, talk: Talk, data_dir: Path, deliver: Callable[[], Awaitable[object]], secret: Callable[[int], bytes]
    ) -> None:
        self._talk = talk
        self._data_dir = data_dir
        self._deliver = deliver
        self._secret = secret

    def key(self) -> str:
        """A new name for something that is to happen once."""
        return self._secret(KEY_BYTES).hex()

    async def ask(self, act: str, learner: str, fields: Mapping[str, str | int], *, first: bool) -> dict[str, Any]:
        """What the catalogue answers. ``learner`` is a pseudonym; ``first`` delivers before it.

        Raises:
            ConfigError: this agent is not enrolled.
            InvalidInputError: the catalogue says no, and why.
            TransientError: no answer came that can be believed; it may have happened.
        """
        if first:
            await self._deliver()
        async with file.connect_for_reading(self._data_dir) as connection:
            who = await delivery.identity(connection)
        if who is None:
            raise ConfigError("this agent is not enrolled: nobody can be recognised", hint="run: rewards-agent enrol")
        deed = Deed(campus=who.campus, agent=who.agent, act=act, learner=learner, fields=fields)
        said: Said | Unknown = Unknown(why="")
        for _ in range(TRIES):
            said = await self._talk.post(who, PATH, deed)
            if isinstance(said, Said):
                break
        if isinstance(said, Unknown):
            again = f"ask again with --key {fields['key']}: it happens once" if "key" in fields else "ask again later"
            raise TransientError(f"nobody knows whether it happened: {said.why}", hint=again)
        if not said.yes:
            raise InvalidInputError(f"the catalogue says no: {said.message}")
        return said.fields

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._talk.close()
