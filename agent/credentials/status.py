"""Which badges were taken back: bit strings that are published beside the keys. Pure.

Each entry that gives a badge has its bit by its place in the ledger, so nothing has to be remembered of what was handed
out, and whoever asks for a list tells its server nothing about which badge they look at. The form is a standard of the
W3C: https://www.w3.org/TR/vc-bitstring-status-list/
"""

from __future__ import annotations

import base64
import gzip
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from agent.credentials.issuer import Issuer

BITS = 131_072
"""Entries of one list: what the standard asks for at least, so that a list does not tell who is meant."""
VALID_S = 14 * 86_400
"""How long a list is believed: an older one could hide what was taken back since."""

Block = tuple[str, int]
"""(epoch, number of the list in it)."""


def entry(issuer: Issuer, epoch: str, seq: int) -> dict[str, str]:
    """What a credential says about where its bit is."""
    block, index = divmod(seq, BITS)
    where = address(issuer, (epoch, block))
    return {
        "id": f"{where}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": str(index),
        "statusListCredential": where,
    }


def path(block: Block) -> str:
    """Where a list stands below the issuer's address."""
    return f"status/{block[0]}-{block[1]}.jwt"


def address(issuer: Issuer, block: Block) -> str:
    """Where a list is on the web."""
    return f"{issuer.url}/{path(block)}"


def blocks(given: Iterable[tuple[str, int, bool]]) -> Mapping[Block, list[int]]:
    """Every list that there must be, with the bits that are set; ``given`` are (epoch, seq, taken back) of entries."""
    found: defaultdict[Block, list[int]] = defaultdict(list)
    for epoch, seq, gone in given:
        number, index = divmod(seq, BITS)
        bits = found[epoch, number]
        if gone:
            bits.append(index)
    return found


def encoded(bits: Iterable[int]) -> str:
    """The list as text: the first entry is the leftmost bit."""
    found = bytearray(BITS // 8)
    for index in bits:
        found[index // 8] |= 0x80 >> index % 8
    return "u" + base64.urlsafe_b64encode(gzip.compress(bytes(found), mtime=0)).rstrip(b"=").decode()


def document(issuer: Issuer, block: Block, bits: Iterable[int], *, now: int) -> dict[str, Any]:
    """A list as a credential with its JWT claims, as of ``now`` (seconds UTC)."""
    where = address(issuer, block)
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": where,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer.did,
        "validFrom": _utc(now),
        "validUntil": _utc(now + VALID_S),
        "credentialSubject": {
            "id": f"{where}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": encoded(bits),
        },
        "iss": issuer.did,
        "jti": where,
        "sub": f"{where}#list",
        "nbf": now,
        "exp": now + VALID_S,
    }


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
