"""The keys that sign badges, and signed documents: compact JWTs by RS256, which every verifier of badges must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jws
from joserfc.jwk import RSAKey

from agent.errors import ConfigError

KEY_BITS, KEY_BITS_MIN = 3072, 2048
"""Of a new key, and of one that is still believed (RFC 7518, section 3.3)."""
ALGORITHM = "RS256"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Key:
    """A private key; ``public`` is its public half as a JWK, ``thumbprint`` names it (RFC 7638)."""

    private: RSAKey
    public: Mapping[str, Any]
    thumbprint: str


def new() -> bytes:
    """A new private key, as PEM."""
    return RSAKey.generate_key(KEY_BITS).as_pem(private=True)


def read(pem: str, name: str) -> Key:
    """The key of a file ``name``.

    Raises:
        ConfigError: there is no RSA private key in it, or one that is too short for anybody to believe.
    """
    try:
        found = RSAKey.import_key(pem)
    except (ValueError, TypeError):
        found = None
    if found is None or not found.is_private or found.raw_value.key_size < KEY_BITS_MIN:
        raise ConfigError(
            f"{name}: this is no RSA private key of {KEY_BITS_MIN} bits or more",
            hint="make one where there is no file: rewards-agent badge key",
            fault="secret-unusable",
        )
    public = {**found.as_dict(private=False), "alg": ALGORITHM, "use": "sig"}
    return Key(
        private=found,
        public={name: public[name] for name in ("kty", "n", "e", "alg", "use")},
        thumbprint=found.thumbprint(),
    )


def signed(document: Mapping[str, Any], key: Key, method: str) -> str:
    """A credential with the claims that must stand beside it (OB 3.0 section 8.2), as a compact JWT.

    ``document`` has `id`, `issuer`, `validFrom` as seconds under `nbf`, and `credentialSubject`.
    """
    header = {"alg": ALGORITHM, "typ": "JWT", "kid": method, "jwk": dict(key.public)}
    return jws.serialize_compact(header, orjson.dumps(dict(document)), key.private)
