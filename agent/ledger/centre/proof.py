"""The statement on a second road: chain, signatures and columns worked out again from the stored bytes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping

from agent.ledger import delivery
from agent.ledger.centre import mirror
from wire import chain, signing, statement
from wire.canonical import MalformedError
from wire.keys import fingerprint
from wire.signing import Headers, Response, SignatureError

_PAGES = """
SELECT page_no, after, upto, head, header, signature, received_at,
  EXISTS (SELECT 1 FROM centre_void v WHERE page_no BETWEEN v.first_page AND v.last_page)
FROM centre_page ORDER BY page_no
"""
_LINES = """
SELECT no, body, pseudonym, currency, kind, amount, waived, ref, about, after_seq, entry_seq, occurred_at, posted_at
FROM centre_line WHERE page_no = ? ORDER BY no
"""


def findings(connection: sqlite3.Connection) -> Iterator[str]:
    """What does not hold, a sentence each."""
    found = dict(connection.execute("SELECT key, value FROM setting"))
    agent, publics = found.get(delivery.AGENT, ""), _publics(found)
    head, upto = chain.GENESIS, 0
    for page_no, after, ends, end, header, signature, received_at, void in connection.execute(_PAGES).fetchall():
        where = f"page {page_no} of the statement"
        rows = connection.execute(_LINES, (page_no,)).fetchall()
        body = b"\n".join([bytes(header), *(bytes(row[1]) for row in rows), b""])
        try:
            page = statement.parse(body)
            _signed(body, signature, publics, received_at)
        except (MalformedError, SignatureError) as exc:
            yield f"{where} is not as the catalogue signed it: {exc}"
            continue
        for (line, _), row in zip(page.lines, rows, strict=True):
            if (line.no, *mirror.beside(line, agent)) != (row[0], *row[2:]):
                yield f"line {line.no} of the statement: what stands beside its bytes is not what they say"
        if (page.header.after, page.header.upto, page.header.head) != (after, ends, bytes(end)):
            yield f"{where}: what stands beside its bytes is not what they say"
        if void:
            continue
        if page.header.previous != head or after < upto:
            yield f"{where} does not follow the one before"
        head, upto = page.header.head, page.header.upto


def _publics(found: Mapping[str, str]) -> dict[str, bytes]:
    named = [*found.get(delivery.CATALOGUE_KEYS, "").split(), found.get(delivery.CATALOGUE_KEY, "")]
    return {fingerprint(bytes.fromhex(key)): bytes.fromhex(key) for key in named if key}


def _signed(body: bytes, signature: str, publics: Mapping[str, bytes], received_at: int) -> None:
    lines = json.loads(signature)
    named = signing.claimed_key_id(lines)
    if named not in publics:
        raise SignatureError(f"key {named} is none of the catalogue's")
    answer = Response(status_code=200, headers=Headers(lines.items()))
    signing.verify_statement(answer, body, public=publics[named], now=received_at, fresh=False)
