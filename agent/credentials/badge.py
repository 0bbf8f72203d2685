"""A badge that somebody has, as an OpenBadgeCredential (https://www.imsglobal.org/spec/ob/v3p0/). Pure."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent.credentials import status
from agent.credentials.issuer import Issuer

CONTEXT = ("https://www.w3.org/ns/credentials/v2", "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json")
SCHEMA = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Achievement:
    """What a badge stands for: ``criteria`` in words; ``image`` is an address on the web, or nothing."""

    badge: str
    name: str
    description: str
    criteria: str
    image: str = ""
    tags: tuple[str, ...] = ()

    def document(self, issuer: Issuer) -> dict[str, Any]:
        """As it stands in each credential, and by itself at its own address."""
        found: dict[str, Any] = {
            "id": f"{issuer.url}/achievements/{self.badge}.json",
            "type": ["Achievement"],
            "achievementType": "Badge",
            "name": self.name,
            "description": self.description,
            "criteria": {"narrative": self.criteria},
        }
        if self.image:
            found["image"] = {"id": self.image, "type": "Image"}
        if self.tags:
            found["tag"] = list(self.tags)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Had:
    """The entry that gave somebody the badge: its place in the ledger and when the act was (seconds UTC)."""

    epoch: str
    seq: int
    at: int


def credential(achievement: Achievement, had: Had, issuer: Issuer, *, email: str, salt: str) -> dict[str, Any]:
    """The credential with its JWT claims: for whoever has the address ``email``, of which it holds a salted hash only.

    The same entry always has the same id, so that what is made twice is one badge to whoever collects them.
    """
    name = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{issuer.url}/entries/{had.epoch}-{had.seq}')}"
    since = datetime.fromtimestamp(had.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    hashed = hashlib.sha256(f"{email}{salt}".encode()).hexdigest()
    return {
        "@context": list(CONTEXT),
        "id": name,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": achievement.name,
        "issuer": issuer.profile(),
        "validFrom": since,
        "awardedDate": since,
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": [
                {
                    "type": "IdentityObject",
                    "hashed": True,
                    "identityHash": f"sha256${hashed}",
                    "identityType": "emailAddress",
                    "salt": salt,
                }
            ],
            "achievement": achievement.document(issuer),
        },
        "credentialStatus": status.entry(issuer, had.epoch, had.seq),
        "credentialSchema": [{"id": SCHEMA, "type": "1EdTechJsonSchemaValidator2019"}],
        "iss": issuer.did,
        "jti": name,
        "nbf": had.at,
    }
