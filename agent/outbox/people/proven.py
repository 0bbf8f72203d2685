"""Whether what answered a message about persons is the catalogue's."""

from __future__ import annotations

from agent.ledger.delivery import Identity
from agent.outbox import judge
from agent.outbox.client import Answer
from agent.outbox.judge import Failed
from wire import signing
from wire.signing import SignatureError

OK = 200
NOT_FOUND = 404


def refused(answer: Answer, who: Identity, *, now: int, older: str) -> Failed | None:
    """Why an answer is not to be believed, or nothing; ``older``: what a catalogue does that knows no such path."""
    if answer.status == NOT_FOUND:
        return Failed(told=f"the catalogue is of an older version and {older}")
    if answer.status != OK:
        return judge.refusal(answer, now)
    try:
        signing.verify_stand(
            answer.signed(bound=True), answer.body, public=who.catalogue_public, now=now, tag=signing.KEPT_TAG
        )
    except SignatureError as exc:
        return Failed(told=f"an answer was refused that is not the catalogue's: {exc}", forged=True)
    return None
