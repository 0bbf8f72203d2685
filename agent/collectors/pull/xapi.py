"""Asking an LRS: `GET /statements` since a time of storing, in order, page by page by `more`.

An LRS never answers with statements that were voided, but with those that void them. Attachments are not asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from agent.collectors.inbox.pulls import Fetched
from agent.collectors.pull.client import Answer
from agent.collectors.pull.plan import Ask, OddAnswerError, Round, Took, answered, iso, listed, seconds, told, words

OVERLAP_S = 300
"""Statements may become visible later than others that were stored after them."""
PAGE_MAX = 100
_CONSISTENT = "x-experience-api-consistent-through"


class XapiPlan:
    """The plan; ``known`` holds until when the LRS says that all is visible."""

    def first(self, this: Round) -> Sequence[Ask]:
        """Everything since the last round."""
        query = {"since": iso(this.since), "ascending": "true", "limit": str(PAGE_MAX), "attachments": "false"}
        return (Ask(what="statements", target=f"statements?{urlencode(query)}", needed=True),)

    def took(self, ask: Ask, answer: Answer, this: Round, now: int) -> Took:
        """One page. Where it is not in order, only the end of the round moves what the next one begins with."""
        found = answered(answer, ask.what)
        if not isinstance(found, dict):
            raise OddAnswerError("what it answers about statements is no object", hint="is url that of the LRS's xAPI?")
        statements = listed(found.get("statements"), ask.what)
        stored = [min(seconds(each.get("stored")) or now, now) for each in statements]
        known = dict(this.known)
        known["latest"] = max((*stored, known.get("latest", 0)))
        known["unordered"] = known.get("unordered", False) or stored != sorted(stored)
        through = seconds(answer.headers.get(_CONSISTENT))
        if through is not None and not known.get("through"):
            known["through"] = through
        more = words(found.get("more"))
        known["complete"] = not more
        return Took(
            fetched=[_fact(each, min(at, now)) for each, at in zip(statements, stored, strict=True)],
            asks=[Ask(what="statements", target=more)] if more not in {"", ask.target} else (),
            known=known,
        )

    def since(self, this: Round) -> int:
        """The newest storing time that was seen, not later than what the LRS vouches for."""
        known = this.known
        if not known.get("complete") and known.get("unordered"):
            return this.since  # a page was refused, and nobody knows what stood on it
        newest = int(known.get("latest", 0)) or this.since
        overlap_s = OVERLAP_S if known.get("complete") else 1  # what follows is still to be read
        return max(this.since, min(newest, int(known.get("through") or newest)) - overlap_s)


def _fact(statement: dict[str, object], at: int) -> Fetched:
    number = words(statement.get("id")).lower()
    return told(statement, at, "statement", number) if number else told(statement, at)
