"""Who vouches for badges: a name, an address of its own on the web, and the keys that are published there. Pure.

The address gives the identifier (`did:web`): what stands in `did.json` there says which keys sign for it, so that
whoever is shown a badge needs nothing of this campus but the web (https://w3c-ccg.github.io/did-method-web/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from agent.credentials.signing import Key

DID_FILE = "did.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer: ``url`` is https without a slash at its end; what is published stands below it."""

    url: str
    name: str

    @property
    def did(self) -> str:
        """`did:web:badges.example.edu:rewards` for https://badges.example.edu/rewards."""
        parts = urlsplit(self.url)
        host = parts.netloc.lower().replace(":", "%3A")
        return ":".join(("did:web", host, *(quote(part) for part in parts.path.split("/") if part)))

    @property
    def did_url(self) -> str:
        """Where a verifier looks for the document: of a bare host in a place of its own."""
        where = self.url if urlsplit(self.url).path else f"{self.url}/.well-known"
        return f"{where}/{DID_FILE}"

    def method(self, key: Key) -> str:
        """How a key is called in the document and in the head of what it signed."""
        return f"{self.did}#{key.thumbprint}"

    def profile(self) -> dict[str, Any]:
        """The issuer as a credential names it."""
        return {"id": self.did, "type": ["Profile"], "name": self.name, "url": self.url}

    def document(self, keys: Sequence[Key]) -> dict[str, Any]:
        """The `did.json` with every key that signs or signed, the one that signs first."""
        methods = [
            {"id": self.method(key), "type": "JsonWebKey", "controller": self.did, "publicKeyJwk": key.public}
            for key in keys
        ]
        return {
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"],
            "id": self.did,
            "verificationMethod": methods,
            "assertionMethod": [one["id"] for one in methods],
        }
