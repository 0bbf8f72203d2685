"""How an agent becomes known, and how it changes its key: the messages of both, and the token that allows the first."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wire import canonical
from wire.canonical import MalformedError
from wire.keys import FINGERPRINT_BYTES, PUBLIC_BYTES, Key

FORMAT = 1
CONTENT_TYPE = "application/json"
MESSAGE_BYTES_MAX = 10_000
_TOKEN_WORD = "enrol"  # noqa: S105 - the word every token begins with
_SECRET_BYTES = 24
_ROTATION = b"rewards key rotation\n"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Token:
    """A one-time permission to enrol, which also names the catalogue's key so that nobody can pose as it."""

    secret: str
    catalogue_fingerprint: str

    def text(self) -> str:
        """What is shown to the administrator, once."""
        return f"{_TOKEN_WORD}.{self.secret}.{self.catalogue_fingerprint}"

    def digest(self) -> bytes:
        """What the catalogue keeps instead of the secret, 32 bytes."""
        return hashlib.sha256(self.secret.encode()).digest()

    @classmethod
    def new(cls, catalogue_fingerprint: str) -> Token:
        """A fresh token."""
        return cls(secret=secrets.token_hex(_SECRET_BYTES), catalogue_fingerprint=catalogue_fingerprint)

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read what an administrator pasted.

        Raises:
            MalformedError: it is not a token (the text itself is not repeated).
        """
        word, _, rest = text.strip().partition(".")
        secret, _, named = rest.partition(".")
        if word != _TOKEN_WORD or len(secret) != 2 * _SECRET_BYTES or len(named) != 2 * FINGERPRINT_BYTES:
            raise MalformedError("this is not an enrolment token: it begins with 'enrol.' and has three parts")
        return cls(secret=secret, catalogue_fingerprint=named)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EnrolRequest:
    """An agent's wish to be known: its public key (32 bytes), for a campus, allowed by a token's secret."""

    campus: str
    environment: str
    secret: str
    public: bytes

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "v": FORMAT,
                "campus": self.campus,
                "environment": self.environment,
                "secret": self.secret,
                "public": self.public.hex(),
            }
        )

    @classmethod
    def parse(cls, body: bytes) -> EnrolRequest:
        """Read one.

        Raises:
            MalformedError: it is not one.
        """
        fields = canonical.load(body, what="the enrolment")
        canonical.version(fields, FORMAT)
        return cls(
            campus=canonical.called(fields, "campus"),
            environment=canonical.text(fields, "environment"),
            secret=canonical.text(fields, "secret"),
            public=canonical.octets(fields, "public", length=PUBLIC_BYTES),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolAnswer:
    """The name the catalogue knows this agent by, and the key (32 bytes) that will sign its answers.

    ``epoch`` is the first that the agent's key may sign: 1 for a new agent, the next for a key in place of a lost one.
    """

    campus: str
    agent: str
    catalogue_public: bytes
    epoch: int = 1

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "v": FORMAT,
                "campus": self.campus,
                "agent": self.agent,
                "catalogue_public": self.catalogue_public.hex(),
                "epoch": self.epoch,
            }
        )

    @classmethod
    def parse(cls, body: bytes) -> EnrolAnswer:
        """Read one.

        Raises:
            MalformedError: it is not one.
        """
        fields = canonical.load(body, what="the answer to the enrolment")
        canonical.version(fields, FORMAT)
        return cls(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            catalogue_public=canonical.octets(fields, "catalogue_public", length=PUBLIC_BYTES),
            # A catalogue of before begins none.
            epoch=canonical.whole(fields, "epoch", least=1) if "epoch" in fields else 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A new public key (32 bytes) for an agent, with the new key's own signature as proof that the agent holds it."""

    campus: str
    agent: str
    public: bytes
    proof: bytes

    @classmethod
    def make(cls, campus: str, agent: str, key: Key) -> Rotation:
        """Announce ``key``."""
        proof = key.private.sign(_proof_text(campus, agent, key.public))
        return cls(campus=campus, agent=agent, public=key.public, proof=proof)

    def proven(self) -> bool:
        """Whether the new key signed this campus, this agent and itself."""
        try:
            public = Ed25519PublicKey.from_public_bytes(self.public)
            public.verify(self.proof, _proof_text(self.campus, self.agent, self.public))
        except InvalidSignature:
            return False
        return True

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.dump(
            {
                "v": FORMAT,
                "campus": self.campus,
                "agent": self.agent,
                "public": self.public.hex(),
                "proof": self.proof.hex(),
            }
        )

    @classmethod
    def parse(cls, body: bytes) -> Rotation:
        """Read one.

        Raises:
            MalformedError: it is not one.
        """
        fields = canonical.load(body, what="the key rotation")
        canonical.version(fields, FORMAT)
        return cls(
            campus=canonical.called(fields, "campus"),
            agent=canonical.called(fields, "agent"),
            public=canonical.octets(fields, "public", length=PUBLIC_BYTES),
            proof=canonical.octets(fields, "proof", length=64),
        )


def agent_key_id(campus: str, agent: str, fingerprint: str) -> str:
    """The key id an agent signs with: its owner first, so that the catalogue looks it up within one campus."""
    return f"{campus}/{agent}/{fingerprint}"


def split_key_id(key_id: str) -> tuple[str, str, str]:
    """(campus, agent, fingerprint) of an agent's key id.

    Raises:
        MalformedError: it is not one.
    """
    parts = key_id.split("/")
    if len(parts) != 3 or not all(canonical.CAMPUS.fullmatch(part) for part in parts):  # noqa: PLR2004
        raise MalformedError("the key id is not campus/agent/fingerprint")
    return parts[0], parts[1], parts[2]


def _proof_text(campus: str, agent: str, public: bytes) -> bytes:
    return _ROTATION + f"{campus}\n{agent}\n".encode() + public
