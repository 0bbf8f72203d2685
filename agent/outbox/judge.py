"""What an answer of the catalogue means. Pure: nothing is believed that does not verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

from agent import retry
from agent.errors import ConfigError, RewardsError, TransientError
from agent.ledger.delivery import Identity, KeptReceipt, Sealed
from agent.outbox.client import Answer
from wire import batch, receipt, signing
from wire.canonical import MalformedError
from wire.keys import fingerprint
from wire.receipt import Stand
from wire.signing import SignatureError

BETWEEN = "see what stands between this machine and the catalogue; its own log says more"
_OK = 200
_CONFLICT = 409
_SERVER_ERROR = 500
_TOLD_CHARS_MAX = 200

_ANOTHERS = {
    400: "is it https:// that is spoken there?",
    404: "does the path in [catalogue] url lead to the catalogue?",
    407: "a proxy on the way wants to know who we are: [catalogue] proxy",
    413: "a proxy in between takes no bodies of a megabyte: raise its limit",
    429: "a proxy before the catalogue allows fewer requests",
    500: "its log says why",
    502: "a proxy before the catalogue does not reach it: is it running?",
    503: "a proxy before the catalogue does not reach it: is it running?",
    504: "a proxy before the catalogue waits for it in vain: is it running?",
}
"""What to look at where an answer has no word of the catalogue's, by its status."""
_LEADS_ON = frozenset({301, 302, 303, 307, 308})
_HINTS = {
    400: "both ends must understand each other: update rewards-agent and rewards-catalogue",
    401: "enrol this agent (rewards-agent enrol), or compare both machines' clocks",
    403: "ask the operator of the catalogue",
    404: "[catalogue] url is the catalogue's own address and has no path behind it, unless a proxy of yours wants one",
    413: "a proxy in between takes no bodies of a megabyte: raise its limit",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The catalogue has the batch; the receipt is genuine and about these very bytes."""

    kept: KeptReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """The catalogue stands where it says, genuinely and now."""

    stand: Stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Nothing was acknowledged: try later. ``forged`` where an answer posed as one of the catalogue's.

    ``code`` is how the catalogue names its refusal, unsigned and only to be shown.
    """

    told: str
    code: str = ""
    retry_after: int | None = None
    forged: bool = False

    @classmethod
    def of(cls, error: RewardsError) -> Failed:
        """No answer came, and why, in one line."""
        return cls(told=f"{error.message}; {error.hint}" if error.hint else error.message)


def batch_answer(answer: Answer, who: Identity, sealed: Sealed, *, now: int) -> Accepted | Elsewhere | Failed:
    """What the answer to a batch means."""
    try:
        if answer.status == _OK:
            return Accepted(kept=_receipt(answer, who, sealed, now))
        if answer.status == _CONFLICT:
            return Elsewhere(stand=_stand(answer, who, now))
    except (SignatureError, MalformedError) as exc:
        return Failed(told=f"an answer was refused that is not the catalogue's: {exc}", forged=True)
    return refusal(answer, now)


def stand_answer(answer: Answer, who: Identity, *, now: int) -> Elsewhere | Failed:
    """What the answer to "where do you stand" means."""
    if answer.status != _OK:
        return refusal(answer, now)
    try:
        return Elsewhere(stand=_stand(answer, who, now))
    except (SignatureError, MalformedError) as exc:
        return Failed(told=f"an answer was refused that is not the catalogue's: {exc}", forged=True)


def compare(stand: Stand, who: Identity, *, newest_seq: int, our_head: bytes | None) -> str:
    """Why a genuine stand is not our history, or nothing. ``our_head`` is ours at ``stand.seq``."""
    if stand.epoch > who.epoch:
        return (
            f"the catalogue knows epoch {stand.epoch} of this agent, this ledger is of epoch {who.epoch}:"
            " the agent lives on somewhere else, or this is an old copy"
        )
    if stand.seq > newest_seq:
        return (
            f"the catalogue has this agent's entries up to {stand.seq}, this ledger ends at {newest_seq}:"
            " it is an older copy of what was delivered"
        )
    if stand.head != our_head:
        return f"the catalogue's history of this agent is another one than this ledger's at seq {stand.seq}"
    return ""


def _receipt(answer: Answer, who: Identity, sealed: Sealed, now: int) -> KeptReceipt:
    signing.verify_receipt(answer.signed(bound=False), answer.body, public=signer(who, dict(answer.headers)), now=now)
    parsed = receipt.parse_receipt(answer.body)
    about = (parsed.campus, parsed.agent, parsed.epoch, parsed.first_seq, parsed.last_seq, parsed.digest, parsed.head)
    ours = (
        who.campus,
        who.agent,
        sealed.epoch,
        sealed.first_seq,
        sealed.last_seq,
        batch.digest(sealed.body),
        sealed.head,
    )
    if about != ours:
        raise MalformedError("a receipt for another batch")
    lines = {name: answer.header(name) for name in ("content-type", "content-digest", "signature-input", "signature")}
    return KeptReceipt(receipt=parsed, body=answer.body, signature=orjson.dumps(lines).decode())


def _stand(answer: Answer, who: Identity, now: int) -> Stand:
    signing.verify_stand(answer.signed(bound=True), answer.body, public=who.catalogue_public, now=now)
    stand = receipt.parse_stand(answer.body)
    if (stand.campus, stand.agent) != (who.campus, who.agent):
        raise MalformedError("a stand of another agent")
    return stand


def signer(who: Identity, headers: Mapping[str, str]) -> bytes:
    """The catalogue's key (32 bytes) that a receipt says it is signed by; the pinned one where it names no other."""
    named = signing.claimed_key_id(headers)
    return next((key for key in who.catalogue_keys if fingerprint(key) == named), who.catalogue_public)


def need_ok(answer: Answer, now: int) -> None:
    """See that an answer is a yes.

    Raises:
        ConfigError: the catalogue refuses.
        TransientError: it cannot, now.
    """
    if answer.status == _OK:
        return
    kind: type[RewardsError] = TransientError if answer.status >= _SERVER_ERROR else ConfigError
    failed = refusal(answer, now)
    raise kind(failed.told, hint="ask the operator of the catalogue" if failed.code else BETWEEN)


def refusal(answer: Answer, now: int) -> Failed:
    """What an answer that is no yes says, and when it wants to be asked again."""
    code = _said(answer.body, "error")
    told = f"the catalogue answered {answer.status}{_message(answer.body)}"
    hint = _HINTS.get(answer.status, "") if code else _anothers(answer)
    if not code:
        told = f"something that is not the catalogue answered {answer.status}"
    return Failed(
        told=f"{told}; {hint}" if hint else told,
        code=code,
        retry_after=retry.retry_after_s(answer.header("retry-after"), now),
    )


def _anothers(answer: Answer) -> str:
    if answer.status in _LEADS_ON:
        leads = urlsplit(answer.header("location") or "")
        return f"it leads on to {leads.scheme}://{leads.hostname}, which is not followed: correct [catalogue] url"
    return _ANOTHERS.get(answer.status, "a proxy before the catalogue, which must let agents in as they are")


def _message(body: bytes) -> str:
    message = _said(body, "message")
    return f": {message}" if message else ""


def _said(body: bytes, name: str) -> str:
    """What an error says about itself; it is not signed, so it is shown to a person and decides nothing."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    said = fields.get(name) if isinstance(fields, dict) else None
    if not isinstance(said, str):
        return ""
    return "".join(sign if sign.isprintable() else " " for sign in said[:_TOLD_CHARS_MAX])
