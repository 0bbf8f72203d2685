"""What Moodle's functions answer of people: their cohorts, and what they are called. Pure, as `shapes`."""

from __future__ import annotations

import re

from agent.collectors.cohorts import called
from agent.collectors.moodlews.typed import integer as _int
from agent.collectors.moodlews.typed import tables as _tables
from agent.collectors.moodlews.typed import text as _text
from agent.collectors.moodlews.typed import whole as _whole


def cohorts_of(answer: object) -> dict[int, tuple[str, ...]]:
    """`core_cohort_get_cohorts`: by what each is named, its idnumber first."""
    found = [(_int(one, "id"), str(one.get("idnumber") or ""), _text(one, "name")) for one in _tables(answer)]
    numbers = frozenset(idnumber for _, idnumber, _ in found)
    return {cohort: called(idnumber, name, numbers) for cohort, idnumber, name in found}


def members_of(answer: object) -> dict[int, frozenset[int]]:
    """`core_cohort_get_cohort_members`: who is in each cohort."""
    return {
        _int(one, "cohortid"): frozenset(user for user in map(_whole, one.get("userids") or ()) if user is not None)
        for one in _tables(answer)
    }


def users_of(answer: object, said_by: str) -> dict[int, str]:
    """`core_user_get_users_by_field`: what users are called who are there and not suspended; empty where none is told.

    Who was deleted is told until Moodle cleans up, with a digest for an address and the old address in the username.
    """
    return {
        _int(one, "id"): str(one.get(said_by) or "")
        for one in _tables(answer)
        if not one.get("suspended")
        if not _DIGEST.fullmatch(str(one.get("email") or "")) and not _WAS.fullmatch(str(one.get("username") or ""))
    }


_DIGEST = re.compile(r"[0-9a-f]{32}")
_WAS = re.compile(r".+@.+\.[0-9]{10}")
"""An address and the second in which it was given up."""
