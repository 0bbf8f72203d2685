"""The campus's till: a voucher that a learner shows is looked at, or used once whatever the network does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agent.errors import InvalidInputError, TransientError
from agent.ledger.delivery import Identity
from agent.outbox.redeeming.talk import Said, Talk
from wire.canonical import NAME_CHARS_MAX
from wire.money import spending

TRIES = 3
_KEY_BYTES = 12


class Till:
    """Asks as this agent; ``secret`` gives bytes that nobody can guess."""

    def __init__(self, talk: Talk, enrolled: Callable[[], Awaitable[Identity]], secret: Callable[[int], bytes]) -> None:
        self._talk = talk
        self._enrolled = enrolled
        self._secret = secret

    async def use(self, *, token: str, by: str, look: bool = False, key: str = "") -> dict[str, Any]:
        """Use a voucher of this campus, or ``look`` at it: {redemption, reward, title, expires_at, used_at, key}.

        With the ``key`` of an earlier use whose answer was lost it is the same use.

        Raises:
            InvalidInputError: it is good for nothing, or the catalogue refuses.
            TransientError: the catalogue does not answer; with what key to ask again.
        """
        _require_printable("the voucher", token, spending.TOKEN_CHARS_MAX)
        if key:
            _require_printable("--key", key, NAME_CHARS_MAX)
        who = await self._enrolled()
        key = "" if look else key or self._secret(_KEY_BYTES).hex()
        message = spending.Till(
            campus=who.campus, agent=who.agent, learner=spending.NOBODY, token=token, key=key, by=by[:NAME_CHARS_MAX]
        )
        why = ""
        for _ in range(1 if look else TRIES):
            said = await self._talk.post(who, f"/v1/vouchers/{'look' if look else 'use'}", message)
            if isinstance(said, Said):
                break
            why = said.why
        else:
            again = "try again" if look else f"ask again with --key {key}: whatever came of it, it is used once"
            raise TransientError(why, hint=again)
        if not said.yes:
            raise InvalidInputError(said.message, hint="")
        return said.fields | {"key": key}


def _require_printable(name: str, text: str, most: int) -> None:
    if not 1 <= len(text) <= most or not text.isprintable():
        raise InvalidInputError(f"{name} has 1 to {most} printable characters", hint="type it as it is shown")
