"""HTTP messages signed with Ed25519 (RFC 9421) over the digest of their exact body (RFC 9530)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import http_message_signatures as hms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wire.keys import Key, fingerprint

CREATED_AGE_MAX_S = 120
"""A signature that was made longer ago is no longer taken, in seconds."""
CLOCK_SKEW_MAX_S = 300
"""How far two machines' clocks may differ, in seconds; wide, because replay is harmless: the same bytes get the same
receipt."""
LABEL = "rewards"
BATCH_TAG = "rewards-batch"
ASK_TAG = "rewards-ask"
ENROL_TAG = "rewards-enrol"
ROTATE_TAG = "rewards-rotate"
RECEIPT_TAG = "rewards-receipt"
STAND_TAG = "rewards-stand"
KEEP_TAG = "rewards-keep"
TAKEOVER_TAG = "rewards-takeover"
KEPT_TAG = "rewards-kept"
SPEND_TAG = "rewards-spend"
SPENT_TAG = "rewards-spent"
STATEMENT_TAG = "rewards-statement"

_REQUEST = ("@method", "@path")
_REQUEST_WITH_BODY = (*_REQUEST, "content-type", "content-digest")
_RESPONSE = ("@status", "content-type", "content-digest")
_ANSWERED = '"signature";req'


class SignatureError(ValueError):
    """A message is not signed as it must be; the text says why and holds no secret."""


class Headers:
    """Header lines as the signature library wants to see them: every line kept, names without case."""

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines = list(lines)

    def items(self) -> list[tuple[str, str]]:
        """All lines, in order."""
        return self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._lines))

    def __contains__(self, name: object) -> bool:
        return any(mine.lower() == str(name).lower() for mine, _ in self._lines)

    def __setitem__(self, name: str, value: str) -> None:
        self._lines.append((name, value))

    def __delitem__(self, name: str) -> None:
        self._lines = [line for line in self._lines if line[0].lower() != name.lower()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as far as signatures look at it. ``url`` is absolute and encoded."""

    method: str
    url: str
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response, with the request it answers where the signature is bound to it."""

    status_code: int
    headers: Headers
    request: Request | None = None


def sign_request(request: Request, body: bytes, *, key: Key, key_id: str, created: int, tag: str) -> dict[str, str]:
    """The headers that sign ``request`` (content digest included where there is a body); adds them to it too.

    ``created`` is the moment of sending, seconds UTC.
    """
    _sign(request, body, _REQUEST_WITH_BODY if body else _REQUEST, key=key, key_id=key_id, created=created, tag=tag)
    return _signature_headers(request.headers)


def sign_response(response: Response, body: bytes, *, key: Key, created: int, tag: str) -> dict[str, str]:
    """The headers that sign ``response``; bound to the request it answers where ``response.request`` is given."""
    components = _RESPONSE if response.request is None else (*_RESPONSE, _ANSWERED)
    _sign(response, body, components, key=key, key_id=key.fingerprint, created=created, tag=tag)
    return _signature_headers(response.headers)


def claimed_key_id(headers: Mapping[str, str]) -> str:
    """The key id a message names, before anything is proven: only good to look a key up.

    Raises:
        SignatureError: there is no readable signature.
    """
    finder = _Finder()
    try:
        _Undated(signature_algorithm=hms.algorithms.ED25519, key_resolver=finder).verify(
            Request(method="GET", url="http://unknown/", headers=Headers(headers.items())), max_age=None
        )
    except hms.HTTPMessageSignaturesException as exc:
        if finder.key_id:
            return finder.key_id
        raise SignatureError(str(exc) or "a part of the signature cannot be read") from None
    raise SignatureError("no signature")


def verify_request(request: Request, body: bytes, *, public: bytes, key_id: str, now: int, tag: str) -> int:
    """Check that ``request`` and ``body`` were signed by ``public`` (32 bytes) not long ago, for this purpose.

    Returns when it says it was signed, seconds UTC by the sender's clock.

    Raises:
        SignatureError: unsigned, another key, stale, a required part is not covered, or anything was changed.
    """
    components = _REQUEST_WITH_BODY if body else _REQUEST
    age_max = CREATED_AGE_MAX_S
    return _verify(request, body, components, public=public, key_id=key_id, now=now, age_max=age_max, tag=tag)


def verify_stand(response: Response, body: bytes, *, public: bytes, now: int, tag: str = STAND_TAG) -> None:
    """Check a signed answer that is true now: it must be fresh and answer this very request.

    Raises:
        SignatureError: as for a request, or it answers another one.
    """
    if response.request is None:
        raise SignatureError("an answer that is true now must be bound to its request")
    components = (*_RESPONSE, _ANSWERED)
    key_id = fingerprint(public)
    age_max = CREATED_AGE_MAX_S
    _verify(response, body, components, public=public, key_id=key_id, now=now, age_max=age_max, tag=tag)


def verify_receipt(response: Response, body: bytes, *, public: bytes, now: int) -> None:
    """Check a receipt: it names its batch by digest and is true for ever, so it has no greatest age.

    Raises:
        SignatureError: unsigned, another key, from the future, or anything was changed.
    """
    key_id = fingerprint(public)
    _verify(response, body, _RESPONSE, public=public, key_id=key_id, now=now, age_max=None, tag=RECEIPT_TAG)


def verify_statement(response: Response, body: bytes, *, public: bytes, now: int, fresh: bool = True) -> None:
    """Check a page of the statement, which names what it follows; ``fresh`` unless it was kept since it came.

    Raises:
        SignatureError: unsigned, another key, from the future, stale, or anything was changed.
    """
    age_max = CREATED_AGE_MAX_S if fresh else None
    key_id = fingerprint(public)
    _verify(response, body, _RESPONSE, public=public, key_id=key_id, now=now, age_max=age_max, tag=STATEMENT_TAG)


def _sign(
    message: Request | Response,
    body: bytes,
    components: tuple[str, ...],
    *,
    key: Key,
    key_id: str,
    created: int,
    tag: str,
) -> None:
    signer = hms.HTTPMessageSigner(signature_algorithm=hms.algorithms.ED25519, key_resolver=_Mine(key))
    signer.sign(
        message,
        key_id=key_id,
        created=dt.datetime.fromtimestamp(created, tz=dt.UTC),
        label=LABEL,
        tag=tag,
        covered_component_ids=[component for component in components if component != "content-digest"],
        body=body or None,
    )


def _verify(
    message: Request | Response,
    body: bytes,
    components: tuple[str, ...],
    *,
    public: bytes,
    key_id: str,
    now: int,
    age_max: int | None,
    tag: str,
) -> int:
    verifier = _Verifier(public=public, key_id=key_id, now=now, age_max=age_max)
    try:
        covered = body if "content-digest" in components else None
        verifier.verify(message, max_age=None, expect_tag=tag, require_components=components, body=covered)
    except hms.HTTPMessageSignaturesException as exc:
        raise SignatureError(str(exc) or "a part of the signature cannot be read") from None
    return verifier.created


def _signature_headers(headers: Headers) -> dict[str, str]:
    names = {"content-digest", "signature-input", "signature"}
    return {name: value for name, value in headers.items() if name.lower() in names}


class _Mine(hms.HTTPSignatureKeyResolver):
    """Hands out the one private key to sign with."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def resolve_private_key(self, _key_id: str) -> Any:
        return self._key.private


class _Finder(hms.HTTPSignatureKeyResolver):
    """Remembers which key a message asks for, and has none."""

    def __init__(self) -> None:
        self.key_id = ""

    def resolve_public_key(self, key_id: str) -> None:
        self.key_id = key_id


class _Undated(hms.HTTPMessageVerifier):
    """Finds the key id of a signature whatever its time: the key decides first, the clock after."""

    def validate_created_and_expires(self, sig_input: Any, max_age: object = None) -> None:
        """Every time will do here."""


class _Verifier(hms.HTTPMessageVerifier):
    """The library's verifier with time handed in, and exactly one key that may have signed."""

    def __init__(self, *, public: bytes, key_id: str, now: int, age_max: int | None) -> None:
        key = Ed25519PublicKey.from_public_bytes(public)
        resolver = hms.MappingKeyResolver(public_keys={key_id: key}, private_keys={})
        super().__init__(signature_algorithm=hms.algorithms.ED25519, key_resolver=resolver)
        self._now = now
        self._age_max = age_max
        self.created = 0

    def validate_created_and_expires(self, sig_input: Any, max_age: object = None) -> None:  # noqa: ARG002
        """In place of the library's check, which reads the machine's clock and knows one skew for all."""
        created = sig_input.params.get("created")
        if type(created) is not int:
            raise hms.InvalidSignature("the signature does not say when it was made")
        self.created = created
        if created > self._now + CLOCK_SKEW_MAX_S:
            raise hms.InvalidSignature(f"signed {created - self._now} s in the future: compare both machines' clocks")
        if self._age_max is not None and created < self._now - self._age_max - CLOCK_SKEW_MAX_S:
            raise hms.InvalidSignature(f"signed {self._now - created} s ago: compare both machines' clocks")
