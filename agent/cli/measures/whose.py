"""Whose a recorded act is, and whether it counts for analysts: the same learners that rules speak of."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from agent.ledger.merging import aliases
from agent.ledger.record import agreed, erased

if TYPE_CHECKING:
    from agent.engine.rulebook import Rulebook
    from agent.model import Event

NOBODY = "no learner"
OUT = "takes no part"


class Known(NamedTuple):
    """By what a person is known outside of the campus: a pseudonym, and the secret that stands in for ids of acts."""

    pseudonym: str
    secret: bytes

    def act(self, event_id: bytes) -> str:
        """What entries say instead of an event's id: the same word here and at the catalogue."""
        from agent.ledger.record.people import Macs

        return Macs.of(self.secret).event_ref(event_id)


class Whose:
    """The learners of one ledger, as they stand now: merged accounts are one, and who wants no part is nobody."""

    def __init__(self, connection: sqlite3.Connection, rulebook: Rulebook) -> None:
        marks = erased.of_ledger(connection)
        out = {":".join(account) for account, spans in marks.out.items() if any(until is None for _, until in spans)}
        self._absent = agreed.absent(connection, frozenset(out))
        self._aliases = aliases.of_ledger(connection)
        self._rulebook = rulebook

    def learner(self, event: Event) -> str:
        """``<site>:<LMS user id>`` of whom the act is about; empty where it is about nobody."""
        user = event.seen.people.get("subject")
        return self._aliases.learner(event.seen.learner(user)) if user else ""

    def why_not(self, event: Event, learner: str) -> str:
        """Why an act is not counted, in the words of decisions; empty where it is."""
        from agent.engine.evaluate import never_earns

        if not learner:
            return NOBODY
        if learner in self._absent:
            return OUT
        return never_earns(event.seen, event.seen.people["subject"], self._rulebook)


_KNOWN = "SELECT site || ':' || lms_user, pseudonym, secret FROM person"


def known(connection: sqlite3.Connection) -> dict[str, Known]:
    """Everybody who has a pseudonym, by ``<site>:<LMS user id>``."""
    return {learner: Known(pseudonym, secret) for learner, pseudonym, secret in connection.execute(_KNOWN)}
