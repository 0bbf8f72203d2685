"""Being enrolled by hand, as the event that it is: recorded, judged and replayed like any other. Pure."""

from __future__ import annotations

from agent.engine.challenge.compiled import ENROLLED, WITHDRAWN, lms_event
from agent.engine.rulebook import Rulebook
from agent.errors import InvalidInputError
from agent.model import Evidence, Observation

SOURCE = "manual"
"""The source of what somebody said by hand."""


def enrolment(
    rulebook: Rulebook, challenge: str, learner: str, *, withdraw: bool, at: int, by: str, reason: str
) -> Observation:
    """``by`` enrols a learner (``<site>:<LMS user id>``) into a challenge at a time (seconds UTC), or withdraws one.

    Raises:
        InvalidInputError: there is no such challenge, or the learner is none.
    """
    known = {one.spec.id: one.spec for one in rulebook.challenges}
    if challenge not in known:
        named = ", ".join(known) or "none"
        raise InvalidInputError(f"there is no challenge {challenge!r}", hint=f"the rules have: {named}")
    if known[challenge].mode == "off":
        raise InvalidInputError(f"challenge {challenge!r} is switched off", hint='mode = "live" in its rules')
    site, _, user = learner.partition(":")
    if not site or not user:
        raise InvalidInputError(f"{learner!r} is no learner", hint="name the site and the LMS user id: moodle:35")
    kind = WITHDRAWN if withdraw else ENROLLED
    name = lms_event(kind, challenge)
    role = known[challenge].recipient
    return Observation(
        source=SOURCE,
        site=site,
        position=at,
        lms_event=name,
        kind=kind,
        people={role: user},
        natural_key=(name, user, str(at)),
        occurred_at=at,
        evidence=Evidence.database_row,
        facts={"challenge": challenge, "by": by, "reason": reason},
    )
