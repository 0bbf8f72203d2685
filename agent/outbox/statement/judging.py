"""What an answer to "what have you done since" means. Pure: nothing is believed that does not verify."""

from __future__ import annotations

import orjson

from agent.ledger.centre.mirror import Kept
from agent.ledger.delivery import Identity
from agent.outbox import judge
from agent.outbox.client import Answer
from agent.outbox.judge import Failed
from wire import signing, statement
from wire.canonical import MalformedError
from wire.signing import SignatureError

_OK = 200
_NOT_FOUND = 404
_SIGNED_BY = ("content-type", "content-digest", "signature-input", "signature")


def page_answer(answer: Answer, who: Identity, *, after: int, head: bytes, now: int) -> Kept | Failed:
    """The page that goes on from ``head`` at movement ``after``, or why there is none that can be believed."""
    if answer.status == _NOT_FOUND:
        return Failed(told="the catalogue is of an older version and tells nothing of what it does to wallets")
    if answer.status != _OK:
        return judge.refusal(answer, now)
    try:
        signing.verify_statement(answer.signed(bound=False), answer.body, public=who.catalogue_public, now=now)
        page = statement.parse(answer.body)
    except (SignatureError, MalformedError) as exc:
        return Failed(told=f"an answer was refused that is not the catalogue's: {exc}", forged=True)
    header = page.header
    if (header.campus, header.agent) != (who.campus, who.agent):
        return Failed(told="the catalogue answered with the statement of another agent")
    if (header.after, header.previous) != (after, head):
        return Failed(told="the catalogue answered with another page of the statement than was asked for")
    lines = {name: answer.header(name) for name in _SIGNED_BY}
    return Kept(page=page, signature=orjson.dumps(lines).decode(), agent=who.agent)
