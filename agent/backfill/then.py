"""Sets as they were when a page of the past was news: without what came later. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.engine.earning import sets
from agent.engine.earning.sets import Act
from agent.engine.evaluate import Verdict
from agent.engine.quota import Uses
from agent.model import Use, UseKey


def given_back(tried: Iterable[Verdict], uses: Uses) -> list[Use]:
    """What awards that were given in shadow had used of their sets: it is no longer theirs, here and in the ledger."""
    found: list[Use] = []
    for verdict, _ in _acts(tried):
        at = verdict.event.seen.occurred_at
        mine = [use for use in uses.marks(_tried(verdict)) if use.at == at and not use.freed]
        found += mine[:1]
        for use in mine[:1]:
            uses.free(use)
    return found


def turned_back(verdicts: Sequence[Verdict], uses: Uses) -> None:
    """Take out of the sets what these acts put there, in shadow or for rules of before: each puts it there in its turn.

    What came after the page goes too, to be seen in its own, unless something was paid for it: then what is due is
    what the whole set is worth, less that.
    """
    newest = max((verdict.event.seen.occurred_at for verdict in verdicts), default=0)
    places = {}
    for verdict, act in _acts(verdicts):
        note = act.note(verdict.learner)
        uses.release(note)
        places[note.meter, note.bucket, note.learner] = verdict
    for key, verdict in places.items():
        if not any(use.at > newest and not use.freed for use in uses.marks(_paid(verdict))):
            uses.until(key, newest)
            uses.until(_tried(verdict), newest)


def _acts(verdicts: Iterable[Verdict]) -> Iterable[tuple[Verdict, Act]]:
    return ((one, one.act) for one in verdicts if one.act is not None and not one.reason)


def _paid(verdict: Verdict) -> UseKey:
    once, bucket = verdict.places[0]
    return once.key(bucket, verdict.learner, "")


def _tried(verdict: Verdict) -> UseKey:
    return sets.elsewhere(verdict.places, verdict.learner, "")
